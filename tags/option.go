package tags

import (
	"fmt"
	"strings"
)

const (
	tagKey        = "encrypt"
	wordPartition = "partition"
	maxContextLen = 255
)

// tagSpec is a parsed encrypt tag.
//
//	tag    = "-" | word *("," option)
//	option = "as=" name | "format=" ("bound" | "asherah")
type tagSpec struct {
	partition string // the first word
	context   string // as=, "" without
	format    Format
}

// availableOptions is what an error offers in place of a word that isn't known.
const availableOptions = "as=<name>, format=bound, format=asherah"

// laterOptions are the words of the grammar whose behaviour isn't built. They are refused rather than
// ignored: a program that asks for a search token or for a binding must not run without it.
var laterOptions = map[string]bool{
	"index": true, "normalize": true, "pad": true, "state": true, "bind": true, "binary": true, "accept": true,
}

// parseTag reads the value of an encrypt tag. encrypted is false for "-". The error is "cause: remedy".
func parseTag(s string) (spec tagSpec, encrypted bool, err error) {
	words := strings.Split(s, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	spec.partition = words[0]
	switch {
	case spec.partition == "-" && len(words) == 1:
		return tagSpec{}, false, nil
	case spec.partition == "-":
		return tagSpec{}, false, fmt.Errorf(`options after "-": write encrypt:"-" alone, or name the partition first`)
	case spec.partition == "":
		return tagSpec{}, false, fmt.Errorf(`the tag's first word is empty: write "partition" or the column that holds the partition`)
	}
	seen := make(map[string]bool, len(words))
	for _, word := range words[1:] {
		key, value, hasValue := strings.Cut(word, "=")
		switch {
		case word == "":
			return tagSpec{}, false, fmt.Errorf("an option is empty: remove the comma too many")
		case laterOptions[key]:
			return tagSpec{}, false, fmt.Errorf("option %s is not available in this version: remove it", key)
		case key != "as" && key != "format":
			return tagSpec{}, false, fmt.Errorf("unknown option %q: want one of %s", word, availableOptions)
		case seen[key]:
			return tagSpec{}, false, fmt.Errorf("option %s is given twice: remove one", key)
		case !hasValue:
			return tagSpec{}, false, fmt.Errorf("option %s has no value: want one of %s", key, availableOptions)
		}
		seen[key] = true
		if key == "as" {
			if err := checkContext(value); err != nil {
				return tagSpec{}, false, fmt.Errorf("option as: %w", err)
			}
			spec.context = value
			continue
		}
		switch value {
		case FormatBound.String():
			spec.format = FormatBound
		case FormatAsherah.String():
			spec.format = FormatAsherah
		default:
			return tagSpec{}, false, fmt.Errorf("option format has the value %q: want bound or asherah", value)
		}
	}
	return spec, true, nil
}

// checkContext checks a name that seals are bound to.
func checkContext(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty: write as=<name>")
	case len(name) > maxContextLen:
		return fmt.Errorf("the name has %d bytes: want at most %d", len(name), maxContextLen)
	case strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("the name holds a NUL byte: remove it")
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the name begins or ends with white space: remove it")
	}
	return nil
}

// String writes the tag that parseTag reads as spec.
func (spec tagSpec) String() string {
	s := spec.partition
	if spec.context != "" {
		s += ",as=" + spec.context
	}
	if spec.format != FormatDefault {
		s += ",format=" + spec.format.String()
	}
	return s
}

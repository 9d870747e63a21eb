package tags

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// parseBool reads what strconv.ParseBool reads.
func parseBool[T string | []byte](s T) (b bool, cause string) {
	b, err := strconv.ParseBool(string(s))
	if err != nil {
		return false, causeBool
	}
	return b, ""
}

// parseInteger reads a decimal integer, which may have a sign and a fraction of zeros.
func parseInteger[T string | []byte](s T) (neg bool, mag uint64, cause string) {
	i := 0
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		i++
	}
	first := i
	overflow := false
	for ; i < len(s) && isDigit(s[i]); i++ {
		hi, lo := bits.Mul64(mag, 10)
		sum, carry := bits.Add64(lo, uint64(s[i]-'0'), 0)
		overflow = overflow || hi != 0 || carry != 0
		mag = sum
	}
	if i == first {
		return false, 0, causeNumber
	}
	fraction := false
	if i < len(s) && s[i] == '.' {
		i++
		first = i
		for ; i < len(s) && isDigit(s[i]); i++ {
			fraction = fraction || s[i] != '0'
		}
		if i == first {
			return false, 0, causeNumber
		}
	}
	switch {
	case i < len(s):
		return false, 0, causeNumber
	case overflow:
		return false, 0, causeRange
	case fraction:
		return false, 0, causeInexact
	}
	return neg && mag != 0, mag, ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// fitsMantissa reports whether a float of the given width holds the integer exactly.
func fitsMantissa(mag uint64, width int) bool {
	mantissa := 53
	if width == 32 {
		mantissa = 24
	}
	return mag == 0 || bits.Len64(mag)-bits.TrailingZeros64(mag) <= mantissa
}

// parseFloat reads a float of the given width from decimal text. Almost no decimal fraction is a binary
// one, so "exact" can't mean equal: a text is taken if it names the float by its shortest form, or is
// its exact value. One with digits that the float would lose is refused.
func parseFloat(s string, width int) (f float64, cause string) {
	// The canonical text itself, which is what is read back most, needs no closer look.
	var buf [PaddedLen]byte
	if f, err := strconv.ParseFloat(s, width); err == nil && string(strconv.AppendFloat(buf[:0], f, 'g', -1, width)) == s {
		return f, ""
	}
	digits, point, ok := decimalDigits(s)
	if !ok {
		return parseNonFinite(s)
	}
	// A float32 may also have been written as the float64 of the same value.
	cause = causeInexact
	for _, w := range []int{64, width} {
		f, err := strconv.ParseFloat(s, w)
		switch {
		case err != nil: // decimalDigits has read it, so only its size can be wrong
			cause = causeRange
		case w > width && float64(float32(f)) != f:
		case namesFloat(digits, point, f, w):
			return f, ""
		}
	}
	return 0, cause
}

func parseNonFinite(s string) (f float64, cause string) {
	switch strings.ToLower(s) {
	case "nan":
		return math.NaN(), ""
	case "inf", "+inf", "infinity", "+infinity":
		return math.Inf(1), ""
	case "-inf", "-infinity":
		return math.Inf(-1), ""
	}
	return 0, causeNumber
}

// exactDigits is more than the digits of any float64's exact value (767).
const exactDigits = 770

// namesFloat reports whether the number 0.digits × 10^point is f's shortest decimal form or its exact
// value. Signs aren't looked at.
func namesFloat(digits string, point int, f float64, width int) bool {
	d, p, _ := decimalDigits(strconv.FormatFloat(f, 'e', -1, width))
	if d == digits && p == point {
		return true
	}
	if len(digits) <= len(d) {
		return false // the exact value has more digits than the shortest form
	}
	d, p, _ = decimalDigits(strconv.FormatFloat(f, 'e', exactDigits-1, 64))
	return d == digits && p == point
}

// decimalDigits takes decimal text apart: the number's magnitude is 0.digits × 10^point, digits without
// zeros at either end; zero has none and point 0. ok is false if s is anything else.
func decimalDigits(s string) (digits string, point int, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		e := s[i+1:]
		neg := strings.HasPrefix(e, "-")
		if neg || strings.HasPrefix(e, "+") {
			e = e[1:]
		}
		if e == "" {
			return "", 0, false
		}
		for j := range len(e) {
			if !isDigit(e[j]) {
				return "", 0, false
			}
			if exponent < 1e9 { // far out of range already
				exponent = exponent*10 + int(e[j]-'0')
			}
		}
		if neg {
			exponent = -exponent
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if digits == "" {
		return "", 0, false
	}
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return "", 0, false
		}
	}
	trimmed := strings.TrimLeft(digits, "0")
	point = len(whole) - (len(digits) - len(trimmed)) + exponent
	if trimmed = strings.TrimRight(trimmed, "0"); trimmed == "" {
		return "", 0, true
	}
	return trimmed, point, true
}

// timeLayouts are the forms of RFC 3339 that databases and ORMs write. A fraction of a second is read
// though the layouts have none.
var timeLayouts = [...]string{
	time.RFC3339,
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05-07",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
}

// parseTime reads a time and gives it in UTC.
func parseTime(s string) (t time.Time, cause string) {
	if lostDigits(s) {
		return time.Time{}, causeInexact
	}
	for _, layout := range timeLayouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		t = t.UTC()
		if year := t.Year(); year < 0 || year > 9999 {
			return time.Time{}, causeYear
		}
		return t, ""
	}
	return time.Time{}, causeTime
}

// lostDigits reports whether a fraction of a second has digits that time.Parse would drop.
func lostDigits(s string) bool {
	i := strings.LastIndexAny(s, ".,") + 1
	if i == 0 {
		return false
	}
	for n := 0; i < len(s) && isDigit(s[i]); i, n = i+1, n+1 {
		if n >= 9 && s[i] != '0' {
			return true
		}
	}
	return false
}

package tags

const hexDigits = "0123456789abcdef"

// appendUUID appends the canonical text of a UUID.
func appendUUID(dst []byte, u [16]byte) []byte {
	for i, b := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

// parseUUID reads the text forms of a UUID, hexadecimal digits in either case: with hyphens, the same in
// braces or after "urn:uuid:", and without hyphens.
func parseUUID[T string | []byte](s T) (u [16]byte, ok bool) {
	switch len(s) {
	case 32:
		for i := range u {
			if u[i], ok = hexByte(s[2*i], s[2*i+1]); !ok {
				return u, false
			}
		}
		return u, true
	case 36:
	case 38:
		if s[0] != '{' || s[37] != '}' {
			return u, false
		}
		s = s[1:37]
	case 45:
		const urn = "urn:uuid:"
		for i := range len(urn) {
			if lower(s[i]) != urn[i] {
				return u, false
			}
		}
		s = s[len(urn):]
	default:
		return u, false
	}
	at := 0
	for i := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			if s[at] != '-' {
				return u, false
			}
			at++
		}
		if u[i], ok = hexByte(s[at], s[at+1]); !ok {
			return u, false
		}
		at += 2
	}
	return u, true
}

func hexByte(hi, lo byte) (b byte, ok bool) {
	h, ok1 := hexDigit(hi)
	l, ok2 := hexDigit(lo)
	return h<<4 | l, ok1 && ok2
}

func hexDigit(c byte) (d byte, ok bool) {
	switch c = lower(c); {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// CanonicalUUID returns the canonical text of a UUID in any of the text forms that a column of KindUUID takes
// (see [Column.AppendText]); ok is false when s is none.
func CanonicalUUID(s string) (text string, ok bool) {
	u, ok := parseUUID(s)
	if !ok {
		return "", false
	}
	return string(appendUUID(make([]byte, 0, 36), u)), true
}

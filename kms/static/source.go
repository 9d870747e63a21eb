package static

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

const (
	param = "asherah_kms_key"

	// wanted ends every error about a key's source.
	wanted = "want env:NAME (64 hex digits or base64) or file:PATH (the same, or 32 raw bytes)"

	// maxSource bounds what is read of a key file, in bytes: a path to a device
	// or to the wrong file must not fill the memory.
	maxSource = 4096
)

// readKey returns the 32 bytes that source, the value of asherah_kms_key, leads
// to. The caller wipes them.
//
// Its errors never hold what was found, nor the source unless it is a reference
// as it should be: people do paste the key where its place belongs.
func readKey(source string) ([]byte, error) {
	kind, ref, ok := strings.Cut(source, ":")
	var read func(string) ([]byte, error)
	switch {
	case source == "":
		return nil, errors.New(param + ": not set: " + wanted)
	case ok && kind == "env":
		read = readEnv
	case ok && kind == "file":
		read = readFile
	default:
		return nil, errors.New(param + ": not a reference to a key: " + wanted + "; the key itself never stands in a connection string")
	}
	if ref == "" {
		return nil, fmt.Errorf("%s: %s: nothing after the colon: %s", param, kind, wanted)
	}
	key, err := read(ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %s:%s: %w", param, kind, shown(ref), err)
	}
	return key, nil
}

// shown is ref as errors may print it.
func shown(ref string) string {
	if looksLikeKey(ref) {
		return "… (not shown, it looks like a key; a key never stands in a connection string)"
	}
	return ref
}

func readEnv(name string) ([]byte, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return nil, errors.New("the variable is not set: set it to 64 hex digits or base64")
	}
	// The copy is wiped; the string itself, like the environment, can't be.
	text := []byte(value)
	defer clear(text)
	return decode(trimNewline(text))
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: the file must exist and this user be allowed to read it", bare(err))
	}
	defer f.Close()
	// One buffer of full size from the start: one that grew would leave pieces
	// of the key behind.
	buf := make([]byte, maxSource+1)
	defer clear(buf)
	n, err := io.ReadFull(f, buf)
	switch {
	case err == nil:
		return nil, fmt.Errorf("longer than %d bytes: %s", maxSource, wanted)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("read: %w", bare(err))
	}
	content := buf[:n]
	// 32 bytes are the raw key even if they end with, or are, readable text.
	if len(content) != aead.KeyLen {
		content = trimNewline(content)
	}
	if len(content) == aead.KeyLen {
		return bytes.Clone(content), nil
	}
	return decode(content)
}

// bare is a file operation's error without the path, which readKey prints, or
// has reasons not to.
func bare(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func trimNewline(b []byte) []byte {
	b, cut := bytes.CutSuffix(b, []byte("\n"))
	if cut {
		b, _ = bytes.CutSuffix(b, []byte("\r"))
	}
	return b
}

// decode reads a key from text: 64 hexadecimal digits, else base64.
func decode(text []byte) ([]byte, error) {
	if len(text) == 0 {
		return nil, fmt.Errorf("empty: want %d bytes as 64 hex digits or base64", aead.KeyLen)
	}
	if isHex(text) {
		// Before base64: 64 hexadecimal digits are base64 too, of 48 bytes.
		if n := hex.DecodedLen(len(text)); n != aead.KeyLen {
			return nil, fmt.Errorf("want %d bytes, got %d (hexadecimal)", aead.KeyLen, n)
		}
		key := make([]byte, aead.KeyLen)
		if _, err := hex.Decode(key, text); err != nil {
			return nil, errors.New("not hexadecimal") // the library's error would quote a digit
		}
		return key, nil
	}
	// One alphabet: '-' and '_' become '+' and '/'.
	std := bytes.Clone(text)
	defer clear(std)
	for i, c := range std {
		switch c {
		case '-':
			std[i] = '+'
		case '_':
			std[i] = '/'
		case '\r', '\n':
			std[i] = 0 // the decoder would skip it
		}
	}
	enc := base64.RawStdEncoding
	if std[len(std)-1] == '=' {
		enc = base64.StdEncoding
	}
	buf := make([]byte, enc.DecodedLen(len(std)))
	defer clear(buf)
	n, err := enc.Decode(buf, std)
	if err != nil {
		return nil, fmt.Errorf("neither 64 hex digits nor base64 (%d characters)", len(text))
	}
	if n != aead.KeyLen {
		return nil, fmt.Errorf("want %d bytes, got %d (base64)", aead.KeyLen, n)
	}
	return bytes.Clone(buf[:n]), nil
}

// isHex reports whether text is certainly meant as hexadecimal: a whole number
// of bytes, and all digits of that kind.
func isHex(text []byte) bool {
	if len(text)%2 != 0 {
		return false
	}
	for _, c := range text {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// looksLikeKey reports whether the place of a key could itself be a key: 32
// bytes in base64, or hexadecimal digits for 16 or more. Some paths are valid
// base64 of that length, so this decides what is printed, not what is read.
func looksLikeKey(ref string) bool {
	b := []byte(ref)
	defer clear(b)
	if len(b) >= 32 && isHex(b) {
		return true
	}
	key, err := decode(b)
	clear(key)
	return err == nil
}

package static_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/kmstest"
	"github.com/asherah-sql/asherah-sql/kms/static"
)

// master has bytes whose base64 differs between the alphabets.
var master = slices.Concat([]byte{0xfb, 0xef, 0xbe, 0xff, 0xff, 0xfe}, []byte("0123456789abcdefghijklmnop"))

func newService(t *testing.T) kms.Service {
	s, err := static.New(master)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheContract(t *testing.T) { kmstest.Run(t, newService) }

func TestTheContractOfTheTestService(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kms.Service {
		s, err := kms.Open(t.Context(), "insecure-test", nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// A system key that the Asherah SDK for Go wrapped under its published test key.
func TestKeysOfOtherSDKsAreOpened(t *testing.T) {
	s, err := kms.Open(t.Context(), "insecure-test", nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := base64.StdEncoding.DecodeString("nRFJD4l6O7D4CRTh2FvW6xDQU/f7APMbv8kfIC4BnSjFoN8TK4hTX0mfBcER2U+YJRVyrqEiUxhu+gO+")
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.DecryptKey(t.Context(), wrapped)
	if err != nil || len(key) != 32 {
		t.Fatalf("%d bytes, %v; want the 32 of a system key", len(key), err)
	}
}

func TestWrappedKeysHaveTheCanonicalLength(t *testing.T) {
	w, err := newService(t).EncryptKey(t.Context(), make([]byte, 32))
	if err != nil || len(w) != 60 {
		t.Errorf("%d bytes, %v; want 60", len(w), err)
	}
}

func TestNewWants32Bytes(t *testing.T) {
	for _, n := range []int{0, 1, 16, 24, 31, 33, 64} {
		_, err := static.New(make([]byte, n))
		if err == nil || !strings.Contains(err.Error(), "want 32 bytes, got ") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestNewKeepsNoReferenceToTheKey(t *testing.T) {
	key := bytes.Clone(master)
	s, err := static.New(key)
	if err != nil {
		t.Fatal(err)
	}
	clear(key)
	w, err := newService(t).EncryptKey(t.Context(), []byte("system key"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.DecryptKey(t.Context(), w); err != nil || string(got) != "system key" {
		t.Error(err)
	}
}

func TestAnotherMasterKeyIsRefused(t *testing.T) {
	other, err := static.New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w, err := newService(t).EncryptKey(t.Context(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.DecryptKey(t.Context(), w)
	if err == nil || !strings.Contains(err.Error(), "static: decrypt key: ") || !strings.Contains(err.Error(), "another master key") {
		t.Error(err)
	}
	if a, b := identity(t, other), identity(t, newService(t)); a == b {
		t.Errorf("two master keys have one identity, %s", a)
	}
}

func identity(t *testing.T, s kms.Service) string {
	t.Helper()
	i, ok := s.(kms.Identifier)
	if !ok {
		t.Fatal("no kms.Identifier")
	}
	return i.Identity()
}

// The identity is written into databases: it must not change between versions.
func TestTheIdentityIsFixed(t *testing.T) {
	s, err := kms.Open(t.Context(), "insecure-test", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := identity(t, s), "static:42271bbfca9d03d0"; got != want {
		t.Errorf("identity %s, want %s", got, want)
	}
}

func TestEveryFormOfAKeyIsRead(t *testing.T) {
	text := map[string]string{
		"hex":                       hex.EncodeToString(master),
		"hex in capitals":           strings.ToUpper(hex.EncodeToString(master)),
		"base64":                    base64.StdEncoding.EncodeToString(master),
		"base64 without padding":    base64.RawStdEncoding.EncodeToString(master),
		"base64url":                 base64.URLEncoding.EncodeToString(master),
		"base64url without padding": base64.RawURLEncoding.EncodeToString(master),
	}
	if text["base64"] == text["base64url"] {
		t.Fatal("the alphabets aren't told apart")
	}
	want := identity(t, newService(t))
	check := func(name, source string) {
		t.Helper()
		s, err := kms.Open(t.Context(), "static", kms.Params{"key": source})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := identity(t, s); got != want {
			t.Errorf("%s: another key was read", name)
		}
	}
	path := filepath.Join(t.TempDir(), "master key")
	inFile := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		check(name+" in a file", "file:"+path)
	}
	for name, s := range text {
		for end, newline := range map[string]string{"": "", " and a line break": "\n", " and a DOS line break": "\r\n"} {
			t.Setenv("STATIC_TEST_KEY", s+newline)
			check(name+end+" in the environment", "env:STATIC_TEST_KEY")
			inFile(name+end, s+newline)
		}
	}
	inFile("raw bytes", string(master))
	inFile("raw bytes and a line break", string(master)+"\n")
}

func TestARawKeyThatEndsInALineBreakIsWhole(t *testing.T) {
	key := append(bytes.Clone(master[:31]), '\n')
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := kms.Open(t.Context(), "static", kms.Params{"key": "file:" + path})
	if err != nil {
		t.Fatal(err)
	}
	direct, err := static.New(key)
	if err != nil {
		t.Fatal(err)
	}
	if identity(t, s) != identity(t, direct) {
		t.Error("another key was read")
	}
}

func TestSourcesThatFailSayWhereAndNotWhat(t *testing.T) {
	const secret = "c0ffee00c0ffee11c0ffee22c0ffee33c0ffee44c0ffee55c0ffee66c0ffee77"
	raw, err := hex.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	b64, b64url := base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	env := func(name, content string) string {
		t.Setenv(name, content)
		return "env:" + name
	}
	for name, c := range map[string]struct {
		source string
		want   []string
	}{
		"nothing":                 {"", []string{"not set", "want env:NAME", "file:PATH"}},
		"a key in hex":            {secret, []string{"not a reference to a key", "want env:NAME"}},
		"a key in base64":         {b64, []string{"not a reference to a key", "want env:NAME"}},
		"a key in base64url":      {b64url, []string{"not a reference to a key", "want env:NAME"}},
		"a raw key":               {string(raw), []string{"not a reference to a key"}},
		"a key with a colon":      {"key:" + secret, []string{"not a reference to a key"}},
		"another scheme":          {"ENV:" + secret, []string{"not a reference to a key"}},
		"env and nothing":         {"env:", []string{"env: nothing after the colon"}},
		"file and nothing":        {"file:", []string{"file: nothing after the colon"}},
		"env and a key":           {"env:" + secret, []string{"env:…", "looks like a key", "not set"}},
		"env and a shorter key":   {"env:" + secret[:32], []string{"env:…", "looks like a key"}},
		"env and base64":          {"env:" + b64, []string{"env:…", "looks like a key"}},
		"file and a key":          {"file:" + secret, []string{"file:…", "looks like a key"}},
		"file and base64url":      {"file:" + b64url, []string{"file:…", "looks like a key"}},
		"a variable that isn't":   {"env:STATIC_TEST_UNSET", []string{"env:STATIC_TEST_UNSET", "not set", "64 hex digits"}},
		"an empty variable":       {env("STATIC_TEST_EMPTY", ""), []string{"env:STATIC_TEST_EMPTY", "empty", "32 bytes"}},
		"a variable: a word":      {env("STATIC_TEST_WORD", "c0ffee hello"), []string{"env:STATIC_TEST_WORD", "neither 64 hex digits nor base64"}},
		"a variable: raw bytes":   {env("STATIC_TEST_RAW", "!0123456789abcdefghijklmnopqrstu"), []string{"env:STATIC_TEST_RAW", "neither"}},
		"a variable: short hex":   {env("STATIC_TEST_SHORT", secret[:62]), []string{"env:STATIC_TEST_SHORT", "want 32 bytes, got 31"}},
		"a variable: long hex":    {env("STATIC_TEST_LONG", secret+"00"), []string{"want 32 bytes, got 33"}},
		"a variable: odd hex":     {env("STATIC_TEST_ODD", secret+"0"), []string{"env:STATIC_TEST_ODD"}},
		"a variable: short b64":   {env("STATIC_TEST_B64", base64.StdEncoding.EncodeToString(raw[:20])), []string{"want 32 bytes, got 20"}},
		"a variable: two breaks":  {env("STATIC_TEST_BREAKS", secret+"\n\n"), []string{"neither"}},
		"a variable: b64 + break": {env("STATIC_TEST_INNER", b64[:20]+"\n"+b64[20:]), []string{"neither"}},
		"a file that isn't":       {"file:" + filepath.Join(dir, "missing"), []string{"file:" + dir, "missing", "allowed to read"}},
		"a folder":                {"file:" + dir, []string{"file:" + dir}},
		"an empty file":           {file("empty", ""), []string{"empty", "32 bytes"}},
		"a file: 31 bytes":        {file("short", string(raw[:31])), []string{"short", "neither"}},
		"a file: short hex":       {file("shorthex", secret[:60]+"\n"), []string{"want 32 bytes, got 30"}},
		"a file: very long":       {file("long", strings.Repeat(secret, 100)), []string{"longer than 4096 bytes"}},
	} {
		_, err := kms.Open(t.Context(), "static", kms.Params{"key": c.source})
		if err == nil {
			t.Errorf("%s: opened", name)
			continue
		}
		if missing := name == "file and a key" || name == "a file that isn't"; missing && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", name, err)
		}
		text := err.Error()
		for _, w := range append(c.want, "kms: open static: asherah_kms_key: ") {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q doesn't say %q", name, text, w)
			}
		}
		for _, s := range []string{secret[:6], string(raw[:6]), b64[:6]} {
			if strings.Contains(text, s) {
				t.Errorf("%s: the error holds a piece of the key: %q", name, text)
			}
		}
	}
}

func TestAnUnreadableKeyFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, master, 0o000); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil { // the superuser may read everything
		f.Close()
		path = filepath.Join(path, "below") // and yet not this
	}
	_, err := kms.Open(t.Context(), "static", kms.Params{"key": "file:" + path})
	if err == nil || !strings.Contains(err.Error(), "asherah_kms_key: file:"+path+": ") || strings.Count(err.Error(), path) != 1 {
		t.Error(err)
	}
}

func TestAPathThatIsAlsoBase64IsRead(t *testing.T) {
	// 43 letters, digits and slashes are 32 bytes in base64, and a good path.
	dir := t.TempDir()
	path := dir + "/" + strings.Repeat("k", max(1, 42-len(dir)))
	if err := os.WriteFile(path, master, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := kms.Open(t.Context(), "static", kms.Params{"key": "file:" + path}); err != nil {
		t.Error(err)
	}
	name := "SHOP_PRODUCTION_EUROPE_CENTRAL_1_MASTER_KEY"
	if len(name) != 43 {
		t.Fatal(len(name))
	}
	t.Setenv(name, hex.EncodeToString(master))
	if _, err := kms.Open(t.Context(), "static", kms.Params{"key": "env:" + name}); err != nil {
		t.Error(err)
	}
}

func TestUnknownParametersAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		params  kms.Params
		want    string
	}{
		"misspelt":           {"static", kms.Params{"kye": "env:X"}, "unknown parameter asherah_kms_kye: want asherah_kms_key"},
		"one too many":       {"static", kms.Params{"key": "env:X", "region": "eu"}, "unknown parameter asherah_kms_region: want asherah_kms_key"},
		"none":               {"static", nil, "asherah_kms_key: not set"},
		"a key for the test": {"insecure-test", kms.Params{"key": "env:X"}, "unknown parameter asherah_kms_key: this service has no parameters"},
	} {
		_, err := kms.Open(context.Background(), c.service, c.params)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestACancelledContextIsReported(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newService(t).EncryptKey(ctx, master); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "static: encrypt key: ") {
		t.Error(err)
	}
}

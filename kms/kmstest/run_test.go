package kmstest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/kmstest"
)

// service seals keys as a good one does, but for the fault that wraps it.
type service struct {
	key     []byte
	encrypt func(ctx context.Context, s *service, key []byte) ([]byte, error)
	decrypt func(ctx context.Context, s *service, encrypted []byte) ([]byte, error)
	name    string
}

func (s *service) seal(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return aead.AppendSeal(nil, s.key, key)
}

func (s *service) open(ctx context.Context, encrypted []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return aead.AppendOpen(nil, s.key, encrypted)
}

func (s *service) EncryptKey(ctx context.Context, key []byte) ([]byte, error) {
	if s.encrypt != nil {
		return s.encrypt(ctx, s, key)
	}
	return s.seal(ctx, key)
}

func (s *service) DecryptKey(ctx context.Context, encrypted []byte) ([]byte, error) {
	if s.decrypt != nil {
		return s.decrypt(ctx, s, encrypted)
	}
	return s.open(ctx, encrypted)
}

func (s *service) Identity() string { return s.name }

func good() *service { return &service{key: bytes.Repeat([]byte{7}, 32), name: "test:7"} }

func Example() {
	// In a test file of the package that has the service.
	_ = func(t *testing.T) {
		kmstest.Run(t, func(t *testing.T) kms.Service { return good() })
	}
}

func encrypting(f func(context.Context, *service, []byte) ([]byte, error)) func() *service {
	return func() *service {
		s := good()
		s.encrypt = f
		return s
	}
}

func decrypting(f func(context.Context, *service, []byte) ([]byte, error)) func() *service {
	return func() *service {
		s := good()
		s.decrypt = f
		return s
	}
}

var made atomic.Int32

// faults are services that must fail, each in the subtest whose name it has.
var faults = map[string]struct {
	make func() *service
	want string
}{
	"loses bytes": {decrypting(func(ctx context.Context, s *service, encrypted []byte) ([]byte, error) {
		key, err := s.open(ctx, encrypted)
		return bytes.TrimRight(key, "\x00"), err
	}), "a wrapped key comes back"},
	"has a key of its own": {func() *service {
		s := good()
		s.key[0] = byte(made.Add(1))
		return s
	}, "another process opens it"},
	"shows the key": {encrypting(func(ctx context.Context, s *service, key []byte) ([]byte, error) {
		return append(bytes.Clone(key), 0), ctx.Err()
	}), "wrapping hides the key and is different each time"},
	"checks nothing": {decrypting(func(ctx context.Context, s *service, encrypted []byte) ([]byte, error) {
		key, err := s.open(ctx, encrypted)
		if err != nil && len(encrypted) > aead.Overhead {
			return encrypted[:len(encrypted)-aead.Overhead], nil
		}
		return key, err
	}), "altered bytes are refused"},
	"calls refusals outages": {decrypting(func(ctx context.Context, s *service, encrypted []byte) ([]byte, error) {
		key, err := s.open(ctx, encrypted)
		if errors.Is(err, aead.ErrShort) {
			return nil, fmt.Errorf("%w: %w", kms.ErrUnavailable, err)
		}
		return key, err
	}), "short and foreign bytes are refused"},
	"repeats what it was given": {decrypting(func(ctx context.Context, s *service, encrypted []byte) ([]byte, error) {
		key, err := s.open(ctx, encrypted)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("can't open %s", encrypted)
		}
		return key, err
	}), "short and foreign bytes are refused"},
	"spoils its argument": {decrypting(func(ctx context.Context, s *service, encrypted []byte) ([]byte, error) {
		key, err := s.open(ctx, bytes.Clone(encrypted))
		if len(encrypted) > 0 {
			encrypted[0] = 0
		}
		return key, err
	}), "arguments are left alone and results are the caller's"},
	"goes on without anybody": {encrypting(func(_ context.Context, s *service, key []byte) ([]byte, error) {
		return s.seal(context.Background(), key)
	}), "a cancelled context is its own error"},
	"one at a time": {func() *service {
		var busy atomic.Int32
		s := good()
		s.encrypt = func(ctx context.Context, s *service, key []byte) ([]byte, error) {
			if n := busy.Add(1); n%7 == 0 {
				key = make([]byte, 32) // as a shared buffer would
			}
			return s.seal(ctx, key)
		}
		return s
	}, "many goroutines at once"},
	"has a new name each time": {func() *service {
		s := good()
		s.name = fmt.Sprint(made.Add(1))
		return s
	}, "the identity is stable and tells nothing"},
}

const faultEnv = "KMSTEST_FAULT"

// TestFaultyService is what TestTheSuiteFindsFaults runs, in a process of its
// own because it fails.
func TestFaultyService(t *testing.T) {
	fault, ok := faults[os.Getenv(faultEnv)]
	if !ok {
		fault.make = good // none
	}
	kmstest.Run(t, func(t *testing.T) kms.Service { return fault.make() })
}

func TestTheSuiteFindsFaults(t *testing.T) {
	if os.Getenv(faultEnv) != "" {
		t.Fatal("a child runs its one test only")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for name, fault := range faults {
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestFaultyService$")
		cmd.Env = append(os.Environ(), faultEnv+"="+name)
		out, err := cmd.CombinedOutput()
		subtest := "--- FAIL: TestFaultyService/" + strings.ReplaceAll(fault.want, " ", "_") + " "
		if err == nil || !strings.Contains(string(out), subtest) {
			t.Errorf("a service that %s: %v, want a failure of %q\n%s", name, err, fault.want, out)
		}
		found[fault.want] = true
	}
	if want := 9; len(found) != want {
		t.Errorf("%d of %d subtests are shown to fail when they should", len(found), want)
	}
}

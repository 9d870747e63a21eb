package protectedmem

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vma is one mapping as the kernel sees it.
type vma struct {
	from, to uintptr
	perms    string
	locked   int // bytes
	flags    []string
}

func (v vma) String() string {
	return fmt.Sprintf("%x-%x %s locked %d %v", v.from, v.to, v.perms, v.locked, v.flags)
}

func mappings(t *testing.T) []vma {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	var all []vma
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		line := sc.Text()
		name, value, _ := strings.Cut(line, ":")
		switch {
		case name == "Locked":
			var kb int
			if _, err := fmt.Sscanf(value, "%d kB", &kb); err != nil {
				t.Fatal(err)
			}
			all[len(all)-1].locked = kb << 10
		case name == "VmFlags":
			all[len(all)-1].flags = strings.Fields(value)
		case strings.Contains(strings.Fields(line)[0], "-"):
			var v vma
			if _, err := fmt.Sscanf(line, "%x-%x %s", &v.from, &v.to, &v.perms); err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	return all
}

func at(t *testing.T, all []vma, p uintptr) vma {
	t.Helper()
	for _, v := range all {
		if v.from <= p && p < v.to {
			return v
		}
	}
	t.Fatalf("%x isn't mapped", p)
	return vma{}
}

func TestTheKernelSeesWhatTheDocSays(t *testing.T) {
	f := newFactory(t, Config{})
	for _, n := range []int{32, pageSize, 10 * pageSize} {
		s := mustNew(t, f, make([]byte, n))
		r := s.slot.region
		start := uintptr(unsafe.Pointer(&r.mem[0]))
		all := mappings(t)
		v := at(t, all, start)
		if !strings.HasPrefix(v.perms, "rw-p") {
			t.Errorf("%d bytes: %v: want rw-p", n, v)
		}
		for _, flag := range []string{"lo" /* locked */, "dd" /* not dumped */, "wf" /* wiped on fork */} {
			if !slices.Contains(v.flags, flag) {
				t.Errorf("%d bytes: %v: no flag %s", n, v, flag)
			}
		}
		// Neighbouring mappings of the same kind may be shown as one, never with
		// the guard pages between.
		if v.from != start || v.to != start+uintptr(len(r.mem)) || v.locked != len(r.mem) {
			t.Errorf("%d bytes: %v: want %x-%x, all of it locked", n, v, start, start+uintptr(len(r.mem)))
		}
		for _, guard := range []uintptr{start - 1, start + uintptr(len(r.mem))} {
			if g := at(t, all, guard); !strings.HasPrefix(g.perms, "---p") {
				t.Errorf("%d bytes: guard page %v: want no access", n, g)
			}
		}
		mustClose(t, s)
	}
}

func TestUnmappedRegionsAreGone(t *testing.T) {
	f := newFactory(t, Config{})
	locked := func() int {
		n := 0
		for _, v := range mappings(t) {
			if slices.Contains(v.flags, "dd") && slices.Contains(v.flags, "lo") {
				n += v.locked
			}
		}
		return n
	}
	before := locked()
	s := mustNew(t, f, make([]byte, 1<<20))
	if got, want := locked()-before, f.Locked(); got != want || want < 1<<20 {
		t.Errorf("the kernel sees %d bytes locked more, the factory %d", got, want)
	}
	mustClose(t, s)
	if got := locked(); got != before {
		t.Errorf("%d bytes locked, %d before", got, before)
	}
}

const childEnv = "PROTECTEDMEM_TEST_CHILD"

// TestMain runs this binary as the child that some tests need: a process with
// another resource limit, or one that dies.
func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "limit":
		childLimit(128 << 10)
	case "nothing":
		childLimit(0)
	case "overrun":
		childOverrun(false)
	case "underrun":
		childOverrun(true)
	}
}

func child(t *testing.T, name string) (output string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// childLimit uses secrets under a limit until there are no more, and prints
// what happened.
func childLimit(limit uint64) {
	// The limit doesn't hold for who has CAP_IPC_LOCK. Capabilities belong to
	// threads.
	runtime.LockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		fmt.Println("capset:", err)
		os.Exit(1)
	}
	if err := syscall.Setrlimit(unix.RLIMIT_MEMLOCK, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		fmt.Println("setrlimit:", err)
		os.Exit(1)
	}
	f, err := NewFactory(Config{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var all []Secret
	for {
		s, err := f.CreateRandom(32)
		if err != nil {
			fmt.Println("limit:", errors.Is(err, ErrLimit))
			fmt.Println(err)
			break
		}
		all = append(all, s)
	}
	fmt.Println("secrets:", len(all))
	fmt.Println("locked:", f.Locked())
	for _, s := range all {
		if err := s.Close(); err != nil {
			fmt.Println("close:", err)
		}
	}
	if limit > 0 {
		s, err := f.CreateRandom(32)
		fmt.Println("afterwards:", s != nil, err)
	}
	os.Exit(0)
}

func TestTheLimitIsAnErrorThatSaysWhatToDo(t *testing.T) {
	out, err := child(t, "limit")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"limit: true\n",
		fmt.Sprintf("protectedmem: create random: lock %d bytes, with 131072 locked by this factory: limit of locked memory reached", pageSize),
		"RLIMIT_MEMLOCK is 131072 bytes for the whole process",
		"ulimit -l", "LimitMEMLOCK=", "--ulimit memlock=", "CAP_IPC_LOCK",
		"locked: 131072\n", // all that there was
		"afterwards: true <nil>\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestNoLockedMemoryAtAllIsAnError(t *testing.T) {
	out, err := child(t, "nothing")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"limit: true\n", "RLIMIT_MEMLOCK is 0 bytes", "secrets: 0\n", "locked: 0\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// childOverrun touches a guard page, and dies of it.
func childOverrun(before bool) {
	f, err := NewFactory(Config{})
	if err != nil {
		panic(err)
	}
	s, err := f.CreateRandom(32)
	if err != nil {
		panic(err)
	}
	r := s.(*secret).slot.region
	i := pageSize + len(r.mem) // in r.all
	if before {
		i = pageSize - 1
	}
	fmt.Println("touching")
	r.all[i] = 1
	fmt.Println("survived")
	os.Exit(0)
}

func TestGuardPagesStopTheProcess(t *testing.T) {
	for _, name := range []string{"overrun", "underrun"} {
		out, err := child(t, name)
		if err == nil || !strings.Contains(out, "touching") || strings.Contains(out, "survived") || !strings.Contains(out, "fault") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Importing the package must have no effect: this process has made no signal
// handler or limit of its own, so both are as they were inherited.
func TestNothingHappensOnImport(t *testing.T) {
	var mine, parents unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_MEMLOCK, nil, &mine); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(os.Getppid(), unix.RLIMIT_MEMLOCK, nil, &parents); err != nil {
		t.Fatal(err)
	}
	if mine != parents {
		t.Errorf("RLIMIT_MEMLOCK %+v, the parent's %+v", mine, parents)
	}
}

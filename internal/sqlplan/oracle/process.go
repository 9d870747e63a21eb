package oracle

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Patience is how long a program may read one text.
const Patience = 20 * time.Second

// lifetime is after how many texts a program is started afresh, so that one that leaks can't grow for long.
const lifetime = 100_000

// Process is a running program of this module. It serves one caller at a time.
type Process struct {
	Path    string // of the program
	Crashes int    // how often it crashed or hung, and was started again
	Last    string // what it wrote before it crashed

	cmd  *exec.Cmd
	said bytes.Buffer
	in   *bufio.Writer
	out  *bufio.Reader
	done int
	stop func() error
}

func (p *Process) start() error {
	cmd := exec.Command(p.Path)
	p.said.Reset()
	cmd.Stderr = &p.said
	cmd.Env = append(cmd.Environ(), "GOMEMLIMIT=1GiB")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.in, p.out, p.done, p.stop = cmd, bufio.NewWriterSize(in, 1<<16), bufio.NewReaderSize(out, 1<<16), 0, in.Close
	return nil
}

// ErrCrashed says that the program died of a text, or didn't answer. The next call starts it again.
var ErrCrashed = errors.New("the grammar's program crashed or hung")

// Ask has a text read.
func (p *Process) Ask(q *Request) (*Response, error) {
	if p.cmd != nil && p.done >= lifetime {
		p.Close()
	}
	if p.cmd == nil {
		if err := p.start(); err != nil {
			return nil, err
		}
	}
	p.done++
	line, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	process := p.cmd.Process
	timer := time.AfterFunc(Patience, func() { process.Kill() })
	defer timer.Stop()
	p.in.Write(line)
	p.in.WriteByte('\n')
	err = p.in.Flush()
	var answer []byte
	if err == nil {
		answer, err = p.out.ReadBytes('\n')
	}
	if err != nil {
		process.Kill()
		p.cmd.Wait()
		p.cmd = nil
		p.Crashes++
		p.Last = p.said.String()
		return nil, ErrCrashed
	}
	var r Response
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	return &r, nil
}

// Close ends the program.
func (p *Process) Close() {
	if p.cmd != nil {
		p.stop()
		p.cmd.Wait()
		p.cmd = nil
	}
}

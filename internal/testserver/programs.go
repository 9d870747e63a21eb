package testserver

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// programsTogether finds programs of one version, which stand in one directory: one of PATH, with symbolic
// links followed when the others aren't there, or one that a pattern matches, the newest version first.
func programsTogether(names []string, patterns ...string) (map[string]string, error) {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		dirs = append(dirs, dir)
		if target, err := filepath.EvalSymlinks(filepath.Join(dir, names[0])); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	for _, p := range patterns {
		dirs = append(dirs, newestFirst(p)...)
	}
	for _, dir := range dirs {
		found := map[string]string{}
		for _, name := range names {
			if path, ok := programIn(dir, name); ok {
				found[name] = path
			}
		}
		if len(found) == len(names) {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no %s side by side in PATH, %s", strings.Join(names, " and "), strings.Join(patterns, ", "))
}

// programsAnywhere finds programs that packages spread over several directories.
func programsAnywhere(names []string, dirs ...string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range names {
		for _, dir := range slices.Concat(filepath.SplitList(os.Getenv("PATH")), dirs) {
			if path, ok := programIn(dir, name); ok {
				found[name] = path
				break
			}
		}
		if found[name] == "" {
			return nil, fmt.Errorf("no %s in PATH, %s", name, strings.Join(dirs, ", "))
		}
	}
	return found, nil
}

func programIn(dir, name string) (path string, ok bool) {
	if !filepath.IsAbs(dir) { // the current directory differs from package to package
		return "", false
	}
	path, err := exec.LookPath(filepath.Join(dir, name))
	return path, err == nil
}

var firstNumber = regexp.MustCompile(`\d+`)

// newestFirst returns the directories that match, the one with the highest number first.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		panic("testserver: " + pattern + ": " + err.Error())
	}
	number := func(dir string) int {
		n, _ := strconv.Atoi(firstNumber.FindString(dir))
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(number(b), number(a)) })
	return dirs
}

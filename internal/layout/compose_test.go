package layout

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// service is one entry of docker-compose.yml.
type service struct {
	Image       string            `yaml:"image"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	CapAdd      []string          `yaml:"cap_add"`
	Healthcheck struct {
		Test     []string `yaml:"test"`
		Interval string   `yaml:"interval"`
		Timeout  string   `yaml:"timeout"`
		Retries  int      `yaml:"retries"`
	} `yaml:"healthcheck"`
}

func TestComposeFile(t *testing.T) {
	var file struct {
		Name     string             `yaml:"name"`
		Services map[string]service `yaml:"services"`
	}
	// Strict, so that a misspelt key such as "healtcheck" isn't dropped in silence.
	if err := yaml.UnmarshalWithOptions([]byte(readFile(t, "docker-compose.yml")), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		image string // without the tag
		port  string // inside the container
	}{
		"postgres":  {"postgres", "5432"},
		"mysql":     {"mysql", "3306"},
		"mariadb":   {"mariadb", "3306"},
		"sqlserver": {"mcr.microsoft.com/mssql/server", "1433"},
		"dynamodb":  {"amazon/dynamodb-local", "8000"},
		"vault":     {"hashicorp/vault", "8200"},
	}
	if len(file.Services) != len(want) {
		t.Errorf("%d services, want %d", len(file.Services), len(want))
	}
	tag := regexp.MustCompile(`^(\S+):(v?[0-9]+(\.[0-9]+)*(-[A-Za-z0-9.]+)*)$`)
	port := regexp.MustCompile(`^127\.0\.0\.1:([0-9]+):([0-9]+)$`)
	taken := map[string]string{}
	for name, w := range want {
		s, ok := file.Services[name]
		if !ok {
			t.Errorf("no service %s", name)
			continue
		}
		if m := tag.FindStringSubmatch(s.Image); m == nil || m[1] != w.image {
			t.Errorf("%s: image %q, want %s with a version as its tag", name, s.Image, w.image)
		}
		if len(s.Ports) != 1 {
			t.Errorf("%s: %d ports, want 1", name, len(s.Ports))
		}
		for _, p := range s.Ports {
			m := port.FindStringSubmatch(p)
			if m == nil || m[2] != w.port {
				t.Errorf("%s: port %q, want 127.0.0.1:<port>:%s", name, p, w.port)
			} else if other := taken[m[1]]; other != "" {
				t.Errorf("%s: port %s is %s's already", name, m[1], other)
			} else {
				taken[m[1]] = name
			}
		}
		h := s.Healthcheck
		if len(h.Test) < 2 || !slices.Contains([]string{"CMD", "CMD-SHELL"}, h.Test[0]) || h.Interval == "" || h.Timeout == "" || h.Retries < 1 {
			t.Errorf("%s: no full health check: %+v", name, h)
		}
	}
	// The statement logs are what a search for plaintext reads.
	for name, option := range map[string]string{"postgres": "log_statement=all", "mysql": "--general-log=ON", "mariadb": "--general-log=ON"} {
		if !strings.Contains(strings.Join(file.Services[name].Command, " "), option) {
			t.Errorf("%s: statements aren't logged: want %s in its command", name, option)
		}
	}
}

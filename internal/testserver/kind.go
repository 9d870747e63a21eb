package testserver

import (
	"context"
	"syscall"
)

// kind is what the package knows of one database server. To add one, add a file like postgres.go and a row
// to kinds.
type kind struct {
	name   string   // as ASHERAH_TEST_REQUIRE spells it
	title  string   // as people do
	dsnVar string   // the environment variable with the connection string of a server that is there already
	users  []string // whom root starts it as: the first that this machine knows
	deb    string   // Debian's package
	server string   // the server among the programs

	// programs finds the executables, by name; an error says where it looked.
	programs func() (map[string]string, error)
	// setUp fills the data directory.
	setUp func(in *instance) error
	// command is the server's command line, without the settings of the test.
	command func(in *instance) []string
	// setting is the argument that sets one of the server's variables.
	setting func(name, value string) string
	// logs are the files below in.dir that errors and statements are written to.
	logs []string
	// halt ends the server in good order; end does at once, leaving neither children nor shared memory.
	halt, end syscall.Signal

	// lingers is what the server says when it can't start yet because children of a killed one still end; ""
	// where that doesn't happen.
	lingers string

	// forget gives back what a server that was killed keeps outside of its directory; nil = nothing.
	forget func(in *instance)

	// container is the service of docker-compose.yml.
	container container

	// dsn is a connection string; database "" is the one for administration.
	dsn func(at address, database string) string
	// withDatabase puts a database into somebody else's connection string; "" leaves the one that is there.
	withDatabase func(dsn, database string) (string, error)
	// address is where a connection string leads: a host:port or the path of a Unix socket; withAddress puts
	// another one into it.
	address     func(dsn string) (string, error)
	withAddress func(dsn, addr string) (string, error)
	// run sends statements over a connection of its own, and returns the first value of the last one's
	// result, "" when it has none.
	run func(ctx context.Context, dsn string, statements ...string) (string, error)
	// version is the query for the server's version.
	version string
	// create and drop make and remove a database; drop does although connections use it.
	create func(database string) string
	drop   func(ctx context.Context, dsn, database string) error

	share share
}

// address is where a server listens, and for whom.
type address struct {
	port           int    // of 127.0.0.1
	socket         string // directory of the Unix socket, to be used instead of the port when it isn't ""
	user, password string
}

var kinds = []*kind{postgres, mariadb}

package testserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// galeraTimeout is how long a cluster may take until all its nodes have joined.
const galeraTimeout = time.Minute

// Galera starts a cluster of so many MariaDB nodes, each of which takes writes (MariaDB's Galera), and returns them
// with one empty database of the test's own. Transactions at different nodes that change the same row are found out
// when they commit: all but one fail with error 1213. It takes some seconds. The cluster ends with the test, which is
// skipped where MariaDB or the library of Galera isn't to be had.
func Galera(t testing.TB, nodes int) []*Server {
	t.Helper()
	first := &Server{t: t, k: mariadb}
	var peers []int // the ports at which the nodes speak with each other
	for range nodes {
		port, err := freePort()
		first.check(err)
		peers = append(peers, port)
	}
	var list []*Server
	user, password := "asherah", rand.Text()
	for n := range nodes {
		s := &Server{t: t, k: mariadb, database: "asherah_test_" + strings.ToLower(rand.Text()[:12])}
		if n > 0 {
			s.database = list[0].database
		}
		transfer, err := freePort()
		first.check(err)
		join := "gcomm://"
		if n > 0 {
			join += "127.0.0.1:" + strconv.Itoa(peers[0])
		}
		settings := []string{
			"--wsrep-on=ON",
			"--wsrep-cluster-name=asherah_test",
			"--wsrep-cluster-address=" + join,
			"--wsrep-node-address=127.0.0.1",
			"--wsrep-node-name=" + strconv.Itoa(n),
			fmt.Sprintf("--wsrep-provider-options=base_host=127.0.0.1;base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;gcache.size=16M",
				peers[n], peers[n], transfer),
			"--wsrep-sst-method=rsync",
			"--binlog-format=ROW",
			"--default-storage-engine=InnoDB",
			"--innodb-autoinc-lock-mode=2",
			"--wsrep-slave-threads=2",
		}
		s.b, err = mariadb.newServer(settings, func(in *instance) error {
			library, err := galeraLibrary()
			if err != nil {
				return err
			}
			in.settings = slices.Concat(in.settings, []string{"--wsrep-provider=" + library})
			in.at.user, in.at.password = user, password
			// The users are made with the data: a node that hasn't joined yet runs no statements.
			text := "FLUSH PRIVILEGES;\n"
			for _, host := range []string{"127.0.0.1", "localhost"} {
				who := fmt.Sprintf("'%s'@'%s'", user, host)
				text += fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s';\nGRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;\n", who, password, who)
			}
			users := filepath.Join(in.dir, "users.sql")
			if err := in.write(users, text); err != nil {
				return err
			}
			if err := in.write(mariadbInit(in), "\n"); err != nil {
				return err
			}
			return in.runProgram("mariadb-install-db", "--no-defaults", "--datadir="+in.data, "--skip-test-db", "--extra-file="+users)
		})
		s.check(err)
		if _, ok := s.b.(*instance); !ok {
			s.check(lacking{"a cluster needs programs of this machine, not " + s.b.describe()})
		}
		t.Cleanup(func() { s.end(true) })
		list = append(list, s)
		s.joined(n + 1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maintenance)
	defer cancel()
	_, err := mariadb.run(ctx, list[0].dsnOf(""), mariadb.create(list[0].database))
	first.check(err)
	for _, s := range list {
		s.version, err = mariadb.run(ctx, s.dsnOf(""), mariadb.version)
		s.check(err)
		logs, err := s.b.log()
		s.check(err)
		for _, text := range logs {
			s.logged = append(s.logged, len(text))
		}
	}
	return list
}

// joined waits until a node takes statements and sees so many nodes, itself among them.
func (s *Server) joined(size int) {
	s.t.Helper()
	const status = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
	for deadline := time.Now().Add(galeraTimeout); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		state, err := s.k.run(ctx, s.dsnOf(""), status+"'wsrep_local_state_comment'")
		var seen string
		if err == nil {
			seen, err = s.k.run(ctx, s.dsnOf(""), status+"'wsrep_cluster_size'")
		}
		cancel()
		if err == nil && state == "Synced" && seen == strconv.Itoa(size) {
			return
		}
		if time.Now().After(deadline) {
			s.check(fmt.Errorf("a node never joined: it is %q and sees %q of %d nodes, %v", state, seen, size, err))
		}
	}
}

func galeraLibrary() (string, error) {
	places := []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib/galera-4/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/local/lib/libgalera_smm.so"}
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", lacking{"no libgalera_smm.so: it comes with the package galera-4"}
}

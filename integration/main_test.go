package integration

import (
	"log/slog"
	"os"
	"testing"

	"github.com/asherah-sql/asherah-sql/integration/shop"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// masterKeyVar names the variable that holds the tests' master key, and masterKey is that key: it is
// searched for in the files as well.
const (
	masterKeyVar = "SHOP_MASTER_KEY"
	masterKey    = "8f1d0c5ab3e94766fd20517ea92c3b48e06d7f9135ac4b82d7e019f6538ca24b"
)

// settings are the asherah parameters of every connection string here.
const settings = "asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:" + masterKeyVar

func TestMain(m *testing.M) {
	slog.SetLogLoggerLevel(slog.LevelWarn) // each test makes a key table, which is logged
	tags.MustRegister(shop.Models()...)
	tags.MustRegister(crashRow{})
	registerModels()
	if dsn := os.Getenv(crashDSNVar); dsn != "" {
		crashChild(dsn, os.Getenv(crashBaseVar))
		return
	}
	if err := os.Setenv(masterKeyVar, masterKey); err != nil {
		panic(err)
	}
	testserver.Main(m)
}

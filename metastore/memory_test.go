package metastore_test

import (
	"testing"

	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/metastoretest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	metastoretest.Run(t, func(t *testing.T) metastore.Store { return metastore.NewMemory() })
}

package integration

import (
	"database/sql"
	"log/slog"
	"maps"
	"slices"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/envelope/otelmetrics"
	"github.com/asherah-sql/asherah-sql/tags"
)

type measuredNote struct {
	ID   int64
	Text string `encrypt:"partition"`
}

func (measuredNote) TableName() string { return "notes" }

// TestMetricsReachOpenTelemetry: a program that gives its meter provider gets the SDKs' metrics.
func TestMetricsReachOpenTelemetry(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	observer, err := otelmetrics.New(provider)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := tags.NewSchema(measuredNote{})
	if err != nil {
		t.Fatal(err)
	}
	connector, err := sqlite.NewConnector("file:"+t.TempDir()+"/notes.db", driver.Config{
		Service: "notes", Product: "test", Partition: "acme", KMSName: "insecure-test", Schema: schema, Observer: observer, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	for _, q := range []string{
		"CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)",
		"INSERT INTO notes (id, text) VALUES (1, 'x'), (2, 'y')",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec("UPDATE notes SET text = ? WHERE id = 1", "z"); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := db.QueryRow("SELECT text FROM notes WHERE id = 1").Scan(&got); err != nil || got != "z" {
		t.Fatal(got, err)
	}

	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	n := map[string]int64{}
	for _, s := range data.ScopeMetrics {
		for _, m := range s.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					n[m.Name] += int64(p.Count)
					if p.Sum <= 0 || p.Sum > 60 || m.Unit != "s" {
						t.Errorf("%s: %v %s", m.Name, p.Sum, m.Unit)
					}
					if failed, ok := p.Attributes.Value("error"); !ok || failed.AsBool() && m.Name != "ael.metastore.sql.loadlatest" {
						t.Errorf("%s: attributes %v", m.Name, p.Attributes)
					}
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					n[m.Name] += p.Value
				}
			default:
				t.Errorf("%s is a %T", m.Name, d)
			}
		}
	}
	for name, want := range map[string]int64{
		"ael.drr.encrypt": 3, "ael.drr.decrypt": 1, "ael.key.system.created": 1, "ael.key.intermediate.created": 1,
		"ael.metastore.sql.store": 2, "ael.kms.static.encryptkey": 1,
	} {
		if n[name] != want {
			t.Errorf("%s: %d, want %d", name, n[name], want)
		}
	}
	t.Log(slices.Sorted(maps.Keys(n)))
}

// Package otelmetrics reports what a session factory does to OpenTelemetry, under the metric names of the
// Asherah SDKs, which [envelope.Observer] lists: its timers as histograms in seconds, its counters as
// counters.
//
//	o, err := otelmetrics.New(otel.GetMeterProvider())
//	connector, err := postgres.NewConnector(dsn, driver.Config{Observer: o})
package otelmetrics

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/asherah-sql/asherah-sql/envelope"
)

// scope is the name of the instruments' library.
const scope = "github.com/asherah-sql/asherah-sql/envelope"

// boundaries of the histograms in seconds: from a value that is sealed with a key at hand to a KMS that
// hangs.
var boundaries = []float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 5e-3, 1e-2, 5e-2, .1, .5, 1, 5, 10, 30}

var (
	ended  = metric.WithAttributeSet(attribute.NewSet(attribute.Bool("error", false)))
	failed = metric.WithAttributeSet(attribute.NewSet(attribute.Bool("error", true)))
)

// observer makes an instrument when its name is first reported. The names are few and fixed.
type observer struct {
	meter    metric.Meter
	timers   sync.Map // name → metric.Float64Histogram
	counters sync.Map // name → metric.Int64Counter
}

// New returns an observer that reports to a provider. Timers have the attribute error, true for an
// operation that failed; a row that the metastore doesn't have counts as a failure there. It returns an
// error if the provider refuses the first instrument; one that it refuses later reports nothing.
//
// The observer is safe for concurrent use.
func New(p metric.MeterProvider) (envelope.Observer, error) {
	if p == nil {
		return nil, fmt.Errorf("otelmetrics: no meter provider given")
	}
	o := &observer{meter: p.Meter(scope)}
	if _, err := o.timer("ael.drr.encrypt"); err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	return o, nil
}

func (o *observer) timer(name string) (metric.Float64Histogram, error) {
	if h, ok := o.timers.Load(name); ok {
		return h.(metric.Float64Histogram), nil
	}
	h, err := o.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(boundaries...))
	if err == nil {
		o.timers.Store(name, h)
	}
	return h, err
}

func (o *observer) Timed(name string, took time.Duration, err error) {
	h, bad := o.timer(name)
	if bad != nil {
		return
	}
	how := ended
	if err != nil {
		how = failed
	}
	h.Record(context.Background(), took.Seconds(), how)
}

func (o *observer) Counted(name string) {
	c, ok := o.counters.Load(name)
	if !ok {
		made, err := o.meter.Int64Counter(name)
		if err != nil {
			return
		}
		c, _ = o.counters.LoadOrStore(name, made)
	}
	c.(metric.Int64Counter).Add(context.Background(), 1)
}

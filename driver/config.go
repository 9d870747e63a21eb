package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/asherah-sql/asherah-sql/cache"
	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/kms"
	_ "github.com/asherah-sql/asherah-sql/kms/static" // the KMS that needs no vendor's SDK
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Config says how a connector encrypts. Every field can also be given in the connection string
// (`asherah_service=…`) or, but for the exceptions named below, in the environment
// (`ASHERAH_SQL_SERVICE`): code and connection string must not contradict each other, and the environment
// fills what neither says. A Config is copied; changing it afterwards has no effect.
type Config struct {
	// Service and Product name the program's keys. Required. They can't be changed once values are stored.
	Service, Product string
	// Partition is the partition in force where no context says one ([WithPartition]).
	Partition string
	// Schema holds the registered models; nil means tags.Default().
	Schema *tags.Schema
	// AllowEmptySchema lets a connector run without any registered table: nothing is encrypted then. For
	// test suites of the wrapper itself. Code only.
	AllowEmptySchema bool

	// KMS is the service that holds the master key. Code only. Either it or KMSName is required.
	KMS kms.Service
	// KMSName is the name of a registered service: "static", "aws", …, or "insecure-test" (never from the
	// environment), whose master key is published.
	KMSName string
	// KMSParams are handed to that service's opener: `asherah_kms_key` is "key".
	KMSParams kms.Params

	// Format is the record format of columns that don't say one. Default tags.FormatBound. Never from the
	// environment: a record's format is part of the data.
	Format tags.Format

	// Metastore says how the key table is found. Default [MetastoreAuto].
	Metastore MetastoreMode
	// MetastoreTable is its name, optionally qualified. Default "encryption_key".
	MetastoreTable string
	// MetastoreDSN, "env:NAME", is another connection string for the keys, of the same database driver.
	MetastoreDSN string
	// MetastoreConnector is another connector for the keys. Code only.
	MetastoreConnector driver.Connector
	// MetastoreStore is a store of one's own for the keys. Code only.
	MetastoreStore metastore.Store

	// ExpireAfter is the age at which a key stops encrypting. Default 90 days.
	ExpireAfter time.Duration
	// RevokeCheck is the interval in which a revocation takes effect. Default 60 minutes.
	RevokeCheck time.Duration
	// Cache is the kind of the key caches. Default cache.Simple.
	Cache cache.Kind
	// CacheSize is the capacity of the key caches, in keys. Default 1000.
	CacheSize int
	// SessionCacheSize is the number of partitions whose sessions are kept. Default 1000.
	SessionCacheSize int
	// DataKeyReuse is the number of values that one data key may seal across statements. Default 1: a
	// data key serves one statement.
	DataKeyReuse int

	// SkipVerify leaves out the check of the database's tables against the tags (`asherah_verify=off`).
	SkipVerify bool
	// RefuseUnpinned refuses statements whose encrypted results can't be checked against their row's
	// partition (`asherah_unpinned=refuse`).
	RefuseUnpinned bool
	// AllowUnderscore accepts "_" in Service and Product, for keys that exist already: the key ids of
	// (a_b, c) and (a, b_c) are the same. Code only.
	AllowUnderscore bool

	// Keys shares keys and caches with other connectors. Default: a connector's own; connectors made by
	// sql.Open share when their connection strings and settings are equal. Code only.
	Keys *Keys
	// Logger receives the few lines that the driver writes: a key table was created. Default
	// slog.Default(). One that is given here also hears what befalls keys, see [envelope.WithLogger]. Never
	// a key or a value. Code only.
	Logger *slog.Logger
	// Observer is told what keys are used and made, and how long the metastore and the KMS take. Connectors
	// that share keys have the first one's. Code only.
	Observer envelope.Observer

	keyLog *slog.Logger // Logger as it was given
}

// MetastoreMode says how the key table is found and made.
type MetastoreMode uint8

const (
	_ MetastoreMode = iota
	// MetastoreAuto creates the table when it is absent; no DDL is sent when it is there. The default.
	MetastoreAuto
	// MetastoreRequire is an error at the first connection when the table is absent.
	MetastoreRequire
	// MetastoreMemory keeps keys in the process: they and all data end with it. Only with the KMS
	// "insecure-test", never from the environment.
	MetastoreMemory
)

// String returns the mode as a connection string spells it.
func (m MetastoreMode) String() string {
	switch m {
	case MetastoreAuto:
		return "auto"
	case MetastoreRequire:
		return "require"
	case MetastoreMemory:
		return "memory"
	}
	return "MetastoreMode(" + strconv.Itoa(int(m)) + ")"
}

const (
	paramPrefix = "asherah_"
	envPrefix   = "ASHERAH_SQL_"
)

// setting is one parameter of the connection string.
type setting struct {
	name  string
	noEnv bool                           // the environment must not say it
	field func(*Config) any              // pointer to the field
	parse func(*Config, string) error    // sets the field from text
	env   func(value string) (ok string) // why the environment must not say this value; "" = it may
}

// settings has every parameter but asherah_config and asherah_kms_*, which have no field of their own.
var settings = []setting{
	text("service", func(c *Config) *string { return &c.Service }),
	text("product", func(c *Config) *string { return &c.Product }),
	text("partition", func(c *Config) *string { return &c.Partition }),
	{name: "kms", field: func(c *Config) any { return &c.KMSName }, parse: func(c *Config, v string) error {
		c.KMSName = v
		return nil
	}, env: func(v string) string {
		if v == "insecure-test" {
			return "the test KMS must be named in the connection string or in code"
		}
		return ""
	}},
	{name: "format", noEnv: true, field: func(c *Config) any { return &c.Format }, parse: func(c *Config, v string) error {
		switch v {
		case "bound":
			c.Format = tags.FormatBound
		case "asherah":
			c.Format = tags.FormatAsherah
		default:
			return errors.New("want bound or asherah")
		}
		return nil
	}},
	{name: "metastore", field: func(c *Config) any { return &c.Metastore }, parse: func(c *Config, v string) error {
		switch v {
		case "auto":
			c.Metastore = MetastoreAuto
		case "require":
			c.Metastore = MetastoreRequire
		case "memory":
			c.Metastore = MetastoreMemory
		case "dynamodb":
			return errors.New("the DynamoDB store isn't in this version: want auto, require or memory")
		default:
			return errors.New("want auto, require or memory")
		}
		return nil
	}, env: func(v string) string {
		if v == "memory" {
			return "the memory store must be named in the connection string or in code"
		}
		return ""
	}},
	text("metastore_table", func(c *Config) *string { return &c.MetastoreTable }),
	{name: "metastore_dsn", field: func(c *Config) any { return &c.MetastoreDSN }, parse: func(c *Config, v string) error {
		// Not echoed: it may be a connection string with a password.
		if !strings.HasPrefix(v, "env:") || v == "env:" {
			return errors.New("want env:NAME, the name of an environment variable that holds the connection string")
		}
		c.MetastoreDSN = v
		return nil
	}},
	span("expire_after", func(c *Config) *time.Duration { return &c.ExpireAfter }),
	span("revoke_check", func(c *Config) *time.Duration { return &c.RevokeCheck }),
	{name: "cache", field: func(c *Config) any { return &c.Cache }, parse: func(c *Config, v string) (err error) {
		c.Cache, err = cache.ParseKind(v)
		return err
	}},
	count("cache_size", func(c *Config) *int { return &c.CacheSize }),
	count("session_cache_size", func(c *Config) *int { return &c.SessionCacheSize }),
	count("datakey_reuse", func(c *Config) *int { return &c.DataKeyReuse }),
	word("verify", "off", func(c *Config) *bool { return &c.SkipVerify }),
	word("unpinned", "refuse", func(c *Config) *bool { return &c.RefuseUnpinned }),
}

func text(name string, field func(*Config) *string) setting {
	return setting{name: name, field: func(c *Config) any { return field(c) }, parse: func(c *Config, v string) error {
		*field(c) = v
		return nil
	}}
}

func word(name, only string, field func(*Config) *bool) setting {
	return setting{name: name, field: func(c *Config) any { return field(c) }, parse: func(c *Config, v string) error {
		if v != only {
			return fmt.Errorf("want %s", only)
		}
		*field(c) = true
		return nil
	}}
}

func count(name string, field func(*Config) *int) setting {
	return setting{name: name, field: func(c *Config) any { return field(c) }, parse: func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("want a whole number from 1, got %q", v)
		}
		*field(c) = n
		return nil
	}}
}

func span(name string, field func(*Config) *time.Duration) setting {
	return setting{name: name, field: func(c *Config) any { return field(c) }, parse: func(c *Config, v string) error {
		d, err := parseSpan(v)
		if err != nil || d <= 0 {
			return fmt.Errorf("want a duration such as 90d, 12h or 30m, got %q", v)
		}
		*field(c) = d
		return nil
	}}
}

// parseSpan is time.ParseDuration with days.
func parseSpan(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n > 36500 {
			return 0, fmt.Errorf("bad number of days")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(v)
}

func findSetting(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

func settingNames() string {
	names := []string{paramPrefix + "config", paramPrefix + "kms_…"}
	for _, s := range settings {
		names = append(names, paramPrefix+s.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// param is one asherah_ parameter of a connection string.
type param struct{ name, value string }

// fromParams turns the parameters of a connection string into a Config, the named one (asherah_config)
// merged in.
func fromParams(params []param) (Config, error) {
	var cfg, named Config
	seen := make(map[string]bool, len(params))
	for _, p := range params {
		if seen[p.name] {
			return Config{}, fmt.Errorf("%s%s: given twice", paramPrefix, p.name)
		}
		seen[p.name] = true
		if p.value == "" {
			return Config{}, fmt.Errorf("%s%s: empty: give a value or leave the parameter out", paramPrefix, p.name)
		}
		if p.name == "config" {
			c, ok := lookupConfig(p.value)
			if !ok {
				return Config{}, fmt.Errorf("%sconfig: no configuration of that name: call driver.RegisterConfig before sql.Open", paramPrefix)
			}
			named = c
			continue
		}
		if key, ok := strings.CutPrefix(p.name, "kms_"); ok && key != "" {
			if cfg.KMSParams == nil {
				cfg.KMSParams = kms.Params{}
			}
			cfg.KMSParams[key] = p.value
			continue
		}
		s := findSetting(p.name)
		if s == nil {
			return Config{}, fmt.Errorf("%s%s: unknown parameter: want one of %s", paramPrefix, p.name, settingNames())
		}
		if err := s.parse(&cfg, p.value); err != nil {
			return Config{}, fmt.Errorf("%s%s: %w", paramPrefix, p.name, err)
		}
	}
	return merge(named, cfg)
}

// merge joins what code says and what the connection string says. Saying two different things is an error:
// neither may silently win over the other.
func merge(code, dsn Config) (Config, error) {
	for _, s := range settings {
		to, from := reflect.ValueOf(s.field(&code)).Elem(), reflect.ValueOf(s.field(&dsn)).Elem()
		switch {
		case from.IsZero():
		case to.IsZero():
			to.Set(from)
		case !to.Equal(from):
			return Config{}, fmt.Errorf("%s%s: the connection string and the code's Config contradict each other: give it once", paramPrefix, s.name)
		}
	}
	if len(dsn.KMSParams) > 0 {
		p := maps.Clone(code.KMSParams)
		if p == nil {
			p = kms.Params{}
		}
		for k, v := range dsn.KMSParams {
			if old, ok := p[k]; ok && old != v {
				return Config{}, fmt.Errorf("%skms_%s: the connection string and the code's Config contradict each other: give it once", paramPrefix, k)
			}
			p[k] = v
		}
		code.KMSParams = p
	}
	return code, nil
}

// fillFromEnv fills what cfg doesn't say from the ASHERAH_SQL_ variables.
func fillFromEnv(cfg *Config, environ []string) error {
	params := kms.Params{}
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		rest, ok := strings.CutPrefix(key, envPrefix)
		if !ok {
			continue
		}
		name := strings.ToLower(rest)
		if rest == "CONFIG" {
			continue // see Driver.OpenConnector: it stands for a connection string's parameter
		}
		if k, ok := strings.CutPrefix(name, "kms_"); ok && k != "" {
			params[k] = value
			continue
		}
		s := findSetting(name)
		if s == nil || rest != strings.ToUpper(rest) {
			return fmt.Errorf("environment variable %s: unknown setting: want %sSERVICE, %sPRODUCT, …", key, envPrefix, envPrefix)
		}
		if s.noEnv {
			return fmt.Errorf("environment variable %s: the environment must not say this: use %s%s in the connection string", key, paramPrefix, s.name)
		}
		if s.env != nil {
			if why := s.env(value); why != "" {
				return fmt.Errorf("environment variable %s: %s", key, why)
			}
		}
		if value == "" || !reflect.ValueOf(s.field(cfg)).Elem().IsZero() {
			continue
		}
		if s.name == "kms" && cfg.KMS != nil {
			continue
		}
		if err := s.parse(cfg, value); err != nil {
			return fmt.Errorf("environment variable %s: %w", key, err)
		}
	}
	if cfg.KMS != nil {
		return nil
	}
	for k, v := range params {
		if _, ok := cfg.KMSParams[k]; ok || v == "" {
			continue
		}
		if cfg.KMSParams == nil {
			cfg.KMSParams = kms.Params{}
		} else {
			cfg.KMSParams = maps.Clone(cfg.KMSParams)
		}
		cfg.KMSParams[k] = v
	}
	return nil
}

// complete fills a Config from the environment and with defaults, checks it, and opens its KMS.
func complete(cfg Config) (Config, error) {
	if err := fillFromEnv(&cfg, os.Environ()); err != nil {
		return cfg, err
	}
	for _, need := range []struct{ name, value string }{{"service", cfg.Service}, {"product", cfg.Product}} {
		if need.value == "" {
			return cfg, fmt.Errorf("%s%s is missing: give it in the connection string, in driver.Config or as %s%s", paramPrefix, need.name, envPrefix, strings.ToUpper(need.name))
		}
	}
	if cfg.Schema == nil {
		cfg.Schema = tags.Default()
	}
	if cfg.Format == tags.FormatDefault {
		cfg.Format = tags.FormatBound
	}
	if cfg.Metastore == 0 {
		cfg.Metastore = MetastoreAuto
	}
	if cfg.Metastore > MetastoreMemory {
		return cfg, fmt.Errorf("%smetastore: got %v, want auto, require or memory", paramPrefix, cfg.Metastore)
	}
	if cfg.Metastore == MetastoreMemory && cfg.KMSName != "insecure-test" {
		return cfg, fmt.Errorf("%smetastore=memory: only with %skms=insecure-test: keys that end with the process lose the data that they sealed", paramPrefix, paramPrefix)
	}
	places := 0
	for _, set := range []bool{cfg.MetastoreDSN != "", cfg.MetastoreConnector != nil, cfg.MetastoreStore != nil, cfg.Metastore == MetastoreMemory} {
		if set {
			places++
		}
	}
	if places > 1 {
		return cfg, fmt.Errorf("%smetastore: more than one place for keys: give one of %smetastore=memory, %smetastore_dsn, MetastoreConnector and MetastoreStore", paramPrefix, paramPrefix, paramPrefix)
	}
	cfg.keyLog = cfg.Logger
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg, openKMS(&cfg)
}

func openKMS(cfg *Config) error {
	if cfg.KMS != nil {
		if cfg.KMSName != "" || len(cfg.KMSParams) > 0 {
			return fmt.Errorf("%skms: both a KMS in code and a KMS by name: give one", paramPrefix)
		}
		return nil
	}
	if cfg.KMSName == "" {
		return fmt.Errorf("%skms is missing: want one of %s, or driver.Config.KMS", paramPrefix, strings.Join(kms.Names(), ", "))
	}
	svc, err := kms.Open(context.Background(), cfg.KMSName, cfg.KMSParams)
	if err != nil {
		return fmt.Errorf("%skms=%s: %w", paramPrefix, cfg.KMSName, err)
	}
	cfg.KMS = svc
	return nil
}

var named struct {
	mu      sync.Mutex
	configs map[string]Config
}

// RegisterConfig gives cfg a name that connection strings can say (`asherah_config=<name>`), for settings
// that no text can hold: a KMS made in code, a schema of one's own, a metastore connector. A name can be
// registered once. It is safe for concurrent use.
func RegisterConfig(name string, cfg Config) error {
	if name == "" {
		return errors.New("register config: empty name")
	}
	named.mu.Lock()
	defer named.mu.Unlock()
	if _, ok := named.configs[name]; ok {
		return fmt.Errorf("register config: %q is registered already", name)
	}
	if named.configs == nil {
		named.configs = map[string]Config{}
	}
	cfg.KMSParams = maps.Clone(cfg.KMSParams)
	named.configs[name] = cfg
	return nil
}

func lookupConfig(name string) (Config, bool) {
	named.mu.Lock()
	defer named.mu.Unlock()
	c, ok := named.configs[name]
	return c, ok
}

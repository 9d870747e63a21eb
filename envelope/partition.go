package envelope

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/metastore"
)

// naming makes the ids of keys, and reads partitions out of them. It doesn't
// change.
//
//	_SK_<service>_<product>[_<suffix>]
//	_IK_<partition>_<service>_<product>[_<suffix>]
//
// Nothing is escaped. With a service, product and suffix free of "_", which is
// checked unless AllowUnderscore is set, an id can be read from its right end in
// one way only, whatever the partition.
type naming struct {
	service, product string
	suffix           string   // the region, or empty
	accept           []string // region suffixes that are read, not "" and not suffix
	tail             string   // _<service>_<product>

	keyAD1, dataAD1 string // what all associated data begins with, see appendBoundAD1
}

const (
	skPrefix = "_SK_"
	ikPrefix = "_IK_"
)

func newNaming(cfg *Config) (*naming, error) {
	n := &naming{
		service: cfg.Service,
		product: cfg.Product,
		suffix:  cfg.Suffix,
		accept:  cfg.AcceptSuffixes,
		tail:    "_" + cfg.Service + "_" + cfg.Product,
	}
	for _, part := range []struct{ name, value string }{{"Service", n.service}, {"Product", n.product}} {
		if part.value == "" {
			return nil, fmt.Errorf("%s: want a name, got an empty one", part.name)
		}
		if err := checkIDPart(part.name, part.value, cfg.AllowUnderscore); err != nil {
			return nil, err
		}
	}
	if err := checkIDPart("Suffix", n.suffix, cfg.AllowUnderscore); err != nil {
		return nil, err
	}
	if n.accept == nil && n.suffix != "" {
		n.accept = awsRegions
	}
	for _, s := range n.accept {
		if s == "" {
			return nil, errors.New("AcceptSuffixes: want names of regions, got an empty one: ids without a suffix are accepted anyway")
		}
		if err := checkIDPart("AcceptSuffixes", s, cfg.AllowUnderscore); err != nil {
			return nil, err
		}
	}
	n.accept = slices.Clone(n.accept)
	n.keyAD1, n.dataAD1 = boundAD1Prefix(purposeKey1, n), boundAD1Prefix(purposeData1, n)
	if err := metastore.CheckID(n.systemKeyID()); err != nil {
		return nil, err
	}
	return n, nil
}

// checkIDPart refuses what would make ids ambiguous: with "_" allowed, partition
// a_b of service c and partition a of service b_c share one key.
func checkIDPart(name, value string, allowUnderscore bool) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("%s: not valid UTF-8", name)
	}
	if !allowUnderscore && strings.Contains(value, "_") {
		return fmt.Errorf("%s: %q contains \"_\", by which key ids are joined: rename it, or set AllowUnderscore for data that exists already", name, value)
	}
	return nil
}

func (n *naming) systemKeyID() string {
	return n.withSuffix(skPrefix+n.service+"_"+n.product, n.suffix)
}

func (n *naming) intermediateKeyID(partition string) string {
	return n.suffixedIntermediateKeyID(partition, n.suffix)
}

func (n *naming) suffixedIntermediateKeyID(partition, suffix string) string {
	return n.withSuffix(ikPrefix+partition+n.tail, suffix)
}

func (n *naming) withSuffix(core, suffix string) string {
	if suffix == "" {
		return core
	}
	return core + "_" + suffix
}

// acceptsSuffix reports whether records made under this suffix are read: one's
// own, none, and the ones on the list.
func (n *naming) acceptsSuffix(suffix []byte) bool {
	return len(suffix) == 0 || string(suffix) == n.suffix || slices.Contains(n.accept, string(suffix))
}

// accepts reports whether id is an intermediate key id of this partition: the
// core id, or the core id, "_" and one suffix that is accepted. Anything looser,
// a prefix for one, lets partition x of product p read what belongs to another
// partition or product whose id merely begins alike.
func (n *naming) accepts(id, partition string) bool {
	rest, ok := strings.CutPrefix(id, ikPrefix)
	if !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, partition); !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, n.tail); !ok {
		return false
	}
	if rest == "" {
		return true
	}
	suffix, ok := strings.CutPrefix(rest, "_")
	return ok && suffix != "" && n.acceptsSuffix([]byte(suffix))
}

// partitionOf returns the partition of an intermediate key id of this service
// and product.
func (n *naming) partitionOf(id string) (string, bool) {
	middle, ok := strings.CutPrefix(id, ikPrefix)
	if !ok {
		return "", false
	}
	partition, ok := strings.CutSuffix(middle, n.tail)
	for i := -1; !ok && i < len(n.accept); i++ {
		suffix := n.suffix
		if i >= 0 {
			suffix = n.accept[i]
		}
		if suffix != "" {
			partition, ok = strings.CutSuffix(middle, n.tail+"_"+suffix)
		}
	}
	return partition, ok && partition != ""
}

// ownPartition returns the partition of an id that intermediateKeyID has made.
func (n *naming) ownPartition(id string) (string, bool) {
	middle, ok := strings.CutPrefix(id, ikPrefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(middle, n.withSuffix(n.tail, n.suffix))
}

// checkPartition says why a partition can't be one.
func (n *naming) checkPartition(partition string) error {
	if partition == "" {
		return ErrNoPartition
	}
	// JSON replaces invalid bytes: two partitions would become one.
	if !utf8.ValidString(partition) {
		return errors.New("partition id is not valid UTF-8")
	}
	return nil
}

// awsRegions are the published names of AWS regions, of all their partitions.
var awsRegions = []string{
	"af-south-1",
	"ap-east-1", "ap-east-2",
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
	"ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"ca-central-1", "ca-west-1",
	"cn-north-1", "cn-northwest-1",
	"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2",
	"eu-west-1", "eu-west-2", "eu-west-3",
	"eu-isoe-west-1", "eusc-de-east-1",
	"il-central-1",
	"me-central-1", "me-south-1",
	"mx-central-1",
	"sa-east-1",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2",
	"us-gov-east-1", "us-gov-west-1",
	"us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1",
	"us-isof-east-1", "us-isof-south-1",
}

package reference

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// Registry keeps keys and their owners, and is changed by LiteLLM's management
// API (Handler). It is the Keys and the Directory of a Proxy.
//
// Of a key only the SHA-256 is kept, so that who reads the memory or a dump of it
// has no key. A key whose duration is over is gone, as if it had been deleted.
type Registry struct {
	clock    clock.Clock
	random   io.Reader
	admin    [sha256.Size]byte
	managed  bool
	fallback Keys

	mu sync.RWMutex
	// keys go by their hash, aliases lead to the hash.
	keys    map[string]*keyRecord
	aliases map[string]string
	owners  [ownerKinds]map[string]*owner
	made    int64
	sweepAt int
	// policies are those of keys that were looked up since the last change.
	policies map[string]Policy
	// spent is what keys have cost, by their hash; nil where nobody counts it.
	// What is pointed to is never written to.
	spent map[string]*float64
}

// RegistryConfig is what a Registry is made of.
type RegistryConfig struct {
	Clock clock.Clock
	// Random is where keys and ids come from: crypto/rand.Reader where they are
	// to be secret.
	Random io.Reader
	// AdminKey is the bearer token of the management API; where it is empty the
	// API is not served. It is no key for models.
	AdminKey string
	// CountsSpend says that Spent is told what requests cost.
	CountsSpend bool
	// Fallback knows further keys, whose limits the registry does not manage;
	// nil is none. No key is made that it knows.
	Fallback Keys
}

// leastSweep is the number of keys below which nobody looks for expired ones.
const leastSweep = 1024

// NewRegistry returns an empty registry. It refuses an admin key that the
// fallback takes for a key of its own.
func NewRegistry(c RegistryConfig) (*Registry, error) {
	if c.Fallback != nil && c.AdminKey != "" {
		if _, known := c.Fallback.Lookup(c.AdminKey); known {
			return nil, fmt.Errorf("the admin key is also a key for models; choose one that does not fit the key template")
		}
	}
	r := &Registry{
		clock: c.Clock, random: c.Random, admin: sha256.Sum256([]byte(c.AdminKey)), managed: c.AdminKey != "", fallback: c.Fallback,
		keys: map[string]*keyRecord{}, aliases: map[string]string{}, policies: map[string]Policy{}, sweepAt: leastSweep,
	}
	for kind := range r.owners {
		r.owners[kind] = map[string]*owner{}
	}
	if c.CountsSpend {
		r.spent = map[string]*float64{}
	}
	return r, nil
}

// Lookup is what a bearer token may do. A blocked key is known, and blocked.
func (r *Registry) Lookup(bearer string) (Policy, bool) {
	hash := hashOf([]byte(bearer))
	if policy, known := r.lookup(hash); known {
		return policy, true
	}
	if r.fallback == nil {
		return Policy{}, false
	}
	return r.fallback.Lookup(bearer)
}

func (r *Registry) lookup(hash string) (Policy, bool) {
	now := r.clock.Now()
	r.mu.RLock()
	k, known := r.keys[hash]
	if !known || k.expired(now) {
		r.mu.RUnlock()
		return Policy{}, false
	}
	policy, compiled := r.policies[hash]
	if compiled {
		policy.Key.Spend = r.spent[hash]
	}
	r.mu.RUnlock()
	if compiled {
		return policy, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, known = r.keys[hash]; !known {
		return Policy{}, false
	}
	policy = r.policyOf(k)
	r.policies[hash] = policy
	policy.Key.Spend = r.spent[hash]
	return policy, true
}

// Spent adds what a request with a key cost, in US dollars. Keys that the
// registry does not know, and costs below 0, are not counted.
func (r *Registry) Spent(keyHash string, usd float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.spent[keyHash]; before != nil && usd > 0 {
		sum := *before + usd
		r.spent[keyHash] = &sum
	}
}

// EndUser is what a customer's budget allows.
func (r *Registry) EndUser(id string) (EndUser, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	o, known := r.owners[customers][id]
	if !known {
		return EndUser{}, false
	}
	return EndUser{Limits: r.limitsOf(o.limits, o.budget)}, true
}

// Agent is what an agent may do.
func (r *Registry) Agent(id string) (Agent, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	o, known := r.owners[agents][id]
	if !known {
		return Agent{}, false
	}
	return Agent{Limits: r.limitsOf(o.limits, o.budget), Session: o.session}, true
}

// key finds a key that has not expired, by itself or by its hash.
func (r *Registry) key(keyOrHash string, now time.Time) (*keyRecord, bool) {
	for _, hash := range []string{hashOf([]byte(keyOrHash)), keyOrHash} {
		if k, known := r.keys[hash]; known && !k.expired(now) {
			return k, true
		}
	}
	return nil, false
}

// byAlias finds a key that has not expired.
func (r *Registry) byAlias(alias string, now time.Time) (*keyRecord, bool) {
	hash, known := r.aliases[alias]
	if !known {
		return nil, false
	}
	return r.key(hash, now)
}

// put keeps a key, new or changed, which replaces one that had its hash.
func (r *Registry) put(k *keyRecord) {
	if old, known := r.keys[k.hash]; known && r.aliases[old.alias] == old.hash {
		delete(r.aliases, old.alias)
	}
	r.keys[k.hash] = k
	if r.spent != nil && r.spent[k.hash] == nil {
		r.spent[k.hash] = new(float64)
	}
	if k.alias != "" {
		r.aliases[k.alias] = k.hash
	}
}

func (r *Registry) remove(k *keyRecord) {
	delete(r.keys, k.hash)
	delete(r.spent, k.hash)
	if r.aliases[k.alias] == k.hash {
		delete(r.aliases, k.alias)
	}
}

// changed has every policy made anew. Who calls it holds the lock and has
// written.
func (r *Registry) changed() { clear(r.policies) }

// sweep drops expired keys whenever the number of keys has doubled, so that keys
// that nobody deletes cost no more than those that live.
func (r *Registry) sweep(now time.Time) {
	if len(r.keys) < r.sweepAt {
		return
	}
	for _, k := range r.keys {
		if k.expired(now) {
			r.remove(k)
		}
	}
	r.sweepAt = max(leastSweep, 2*len(r.keys))
}

// live lists the keys that have not expired, in the order in which they were
// made.
func (r *Registry) live(now time.Time) []*keyRecord {
	var list []*keyRecord
	for _, k := range r.keys {
		if !k.expired(now) {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b *keyRecord) int { return int(a.made - b.made) })
	return list
}

// newKey draws a key of 128 bits.
func (r *Registry) newKey() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(r.random, b[:]); err != nil {
		return "", fmt.Errorf("drawing a key: %w", err)
	}
	return "sk-" + base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// newID draws a UUID (RFC 9562, version 4).
func (r *Registry) newID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(r.random, b[:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

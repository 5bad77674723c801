package reference

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// madeKey is a key with its info: the only time that the key itself is told.
type madeKey struct {
	Key string `json:"key"`
	// TokenID is the token under the name that older clients read.
	TokenID string `json:"token_id"`
	keyInfo
}

// fill reads the fields of a key.
func (c *adminCall) fill(k *keyRecord) {
	f := c.body
	f.refuseUnenforced()
	f.text("key_alias", &k.alias)
	f.duration(c.now, &k.expires)
	f.texts("models", &k.allowed)
	for name, into := range map[string]*string{
		"user_id": &k.user, "team_id": &k.team, "organization_id": &k.organization, "project_id": &k.project, "agent_id": &k.agent, "budget_id": &k.budget,
	} {
		f.text(name, into)
	}
	f.ownLimits(&k.limits)
	inside := func(f form) {
		f.modelLimits(&k.models)
		f.limitType("rpm_limit_type", &k.rpmType)
		f.limitType("tpm_limit_type", &k.tpmType)
	}
	f.metadata(&k.metadata, inside)
	inside(f)
	f.flag("blocked", &k.blocked)
}

// check refuses what refers to nobody, and an alias that another key has.
func (c *adminCall) check(k *keyRecord) error {
	for _, reference := range []struct {
		kind ownerKind
		id   string
	}{{teams, k.team}, {organizations, k.organization}, {projects, k.project}, {agents, k.agent}, {budgets, k.budget}} {
		if err := c.mustKnow(reference.kind, reference.id); err != nil {
			return err
		}
	}
	if other, taken := c.byAlias(k.alias, c.now); taken && other.hash != k.hash {
		return badRequest("key_alias", "a key with the alias %q exists; choose another, or delete that key", k.alias)
	}
	return nil
}

// tell is a key as the API tells it.
func (c *adminCall) tell(k *keyRecord) keyInfo {
	info := k.info()
	info.Spend = c.spent[k.hash]
	return info
}

func (c *adminCall) generateKey() (any, error) {
	var bearer string
	c.body.text("key", &bearer)
	if c.body.has("key") && (!strings.HasPrefix(bearer, "sk-") || strings.ContainsFunc(bearer, func(r rune) bool { return r <= ' ' || r > '~' })) {
		c.body.note("key", "value_error", "a key begins with sk- and has printable ASCII without blanks")
	}
	k := &keyRecord{}
	c.fill(k)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	return c.makeKey(bearer, k)
}

// makeKey keeps a new key; an empty bearer is one to be drawn.
func (c *adminCall) makeKey(bearer string, k *keyRecord) (any, error) {
	if bearer == "" {
		var err error
		if bearer, err = c.newKey(); err != nil {
			return nil, err
		}
	}
	if err := c.mustBeFree(bearer); err != nil {
		return nil, err
	}
	k.hash, k.name = hashOf([]byte(bearer)), keyName(bearer)
	if err := c.check(k); err != nil {
		return nil, err
	}
	c.sweep(c.now)
	delete(c.spent, k.hash) // of an expired key with the same name
	c.made++
	k.made, k.created, k.updated = c.made, c.now, c.now
	c.put(k)
	return madeKey{Key: bearer, TokenID: k.hash, keyInfo: c.tell(k)}, nil
}

func (c *adminCall) mustBeFree(bearer string) error {
	taken := sha256.Sum256([]byte(bearer)) == c.admin
	if _, known := c.key(bearer, c.now); known {
		taken = true
	}
	if c.fallback != nil {
		if _, known := c.fallback.Lookup(bearer); known {
			taken = true
		}
	}
	if taken {
		return badRequest("key", "this key exists already; choose another, or leave it out to have one drawn")
	}
	return nil
}

// keyName shows so much of a key that its owner knows it again.
func keyName(bearer string) string {
	const shown, least = 4, 16 // of a shorter key its end would tell too much
	if len(bearer) < least {
		return "sk-..."
	}
	return "sk-..." + bearer[len(bearer)-shown:]
}

// named finds the key that the member `key` of the body names.
func (c *adminCall) named() (*keyRecord, error) {
	var name string
	c.body.text("key", &name)
	if name == "" {
		c.body.note("key", "missing", "send the key or its hash")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if k, known := c.key(name, c.now); known {
		return k, nil
	}
	return nil, notFound("key", "no such key: it was never made, is deleted or expired")
}

func (c *adminCall) updateKey() (any, error) {
	old, err := c.named()
	if err != nil {
		return nil, err
	}
	k := *old
	c.fill(&k)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if err := c.check(&k); err != nil {
		return nil, err
	}
	k.updated = c.now
	c.put(&k)
	return c.tell(&k), nil
}

func (c *adminCall) blockKey(blocked bool) (any, error) {
	old, err := c.named()
	if err != nil {
		return nil, err
	}
	k := *old
	k.blocked, k.updated = blocked, c.now
	c.put(&k)
	return c.tell(&k), nil
}

// deleteKeys deletes all that are named, by themselves, by hash or by alias, or
// none.
func (c *adminCall) deleteKeys() (any, error) {
	var keys, aliases []string
	c.body.texts("keys", &keys)
	c.body.texts("key_aliases", &aliases)
	if len(keys)+len(aliases) == 0 {
		c.body.note("keys", "missing", "send keys or key_aliases, a list of strings")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	var found []*keyRecord
	for _, name := range keys {
		k, known := c.key(name, c.now)
		if !known {
			return nil, notFound("keys", "one of the keys was never made, is deleted or expired; none was deleted")
		}
		found = append(found, k)
	}
	for _, alias := range aliases {
		k, known := c.byAlias(alias, c.now)
		if !known {
			return nil, notFound("key_aliases", "no key has the alias %q; none was deleted", alias)
		}
		found = append(found, k)
	}
	deleted := []string{}
	for _, k := range found {
		c.remove(k)
		if !slices.Contains(deleted, k.hash) {
			deleted = append(deleted, k.hash)
		}
	}
	return map[string]any{"deleted_keys": deleted}, nil
}

func (c *adminCall) keyInfo() (any, error) {
	name := c.request.URL.Query().Get("key")
	if c.self != "" {
		if name != "" && hashOf([]byte(name)) != c.self && name != c.self {
			return nil, &statusError{http.StatusForbidden, "auth_error", "key", "a key may ask for itself alone; send the admin key"}
		}
		name = c.self
	}
	if name == "" {
		return nil, &invalidError{[]fieldError{{Type: "missing", Loc: []string{"query", "key"}, Message: "send the key or its hash, as ?key=KEY"}}}
	}
	k, known := c.key(name, c.now)
	if !known {
		return nil, notFound("key", "no such key: it was never made, is deleted or expired")
	}
	return map[string]any{"key": k.hash, "info": c.tell(k)}, nil
}

// Pages of /key/list, in LiteLLM's bounds.
const (
	usualPage = 10
	maxPage   = 100
)

// listKeys lists keys in the order in which they were made, so that a page stays
// what it is when keys are added.
func (c *adminCall) listKeys() (any, error) {
	query := c.request.URL.Query()
	number := func(name string, usual, most int) int {
		text := query.Get(name)
		if text == "" {
			return usual
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			*c.body.wrong = append(*c.body.wrong, fieldError{Type: "int_parsing", Loc: []string{"query", name}, Message: "send an integer from 1 to " + strconv.Itoa(most)})
			return usual
		}
		return n
	}
	const maxPages = 1 << 30
	page, size := number("page", 1, maxPages), number("size", usualPage, maxPage)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	var matching []*keyRecord
	for _, k := range c.live(c.now) {
		fits := true
		for name, value := range map[string]string{"user_id": k.user, "team_id": k.team, "organization_id": k.organization, "project_id": k.project, "key_alias": k.alias, "key_hash": k.hash} {
			fits = fits && (query.Get(name) == "" || query.Get(name) == value)
		}
		if fits {
			matching = append(matching, k)
		}
	}
	from := min((page-1)*size, len(matching))
	list := []any{}
	for _, k := range matching[from:min(from+size, len(matching))] {
		if query.Get("return_full_object") == "true" {
			list = append(list, c.tell(k))
		} else {
			list = append(list, k.hash)
		}
	}
	return map[string]any{
		"keys": list, "total_count": len(matching), "current_page": page, "total_pages": (len(matching) + size - 1) / size,
	}, nil
}

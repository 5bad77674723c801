package reference

import "fmt"

// Limits are what an owner is allowed. nil is no limit; 0 is a limit that
// nothing passes (rule 3).
type Limits struct {
	// RPM and TPM are requests and tokens per window.
	RPM, TPM *int64
	// MaxParallel is requests in flight.
	MaxParallel *int64
}

// kinds are the limits by kind. A limit below 0, which no registry has, lets
// nothing pass: it must not be taken for Unlimited.
func (l Limits) kinds() (limits [kinds]int64) {
	for kind, limit := range [kinds]*int64{l.RPM, l.TPM, l.MaxParallel} {
		limits[kind] = Unlimited
		if limit != nil {
			limits[kind] = max(0, *limit)
		}
	}
	return limits
}

// ModelLimits are an owner's limits for single models: model_rpm_limit and
// model_tpm_limit, by the exact name that a client asks for (rule 7). A model
// that is in neither map has no limit of its own.
type ModelLimits struct {
	RPM, TPM map[string]int64
}

// LimitType says when a key's own limit of requests or tokens is enforced
// (rule 10). The requests in flight are always limited.
type LimitType string

// The values of rpm_limit_type and tpm_limit_type. The empty one enforces
// always, too.
const (
	GuaranteedThroughput LimitType = "guaranteed_throughput"
	BestEffortThroughput LimitType = "best_effort_throughput"
	// Dynamic counts always and refuses only while a deployment of the model
	// fails.
	Dynamic LimitType = "dynamic"
)

// Validate refuses a type that is not known.
func (t LimitType) Validate() error {
	switch t {
	case "", GuaranteedThroughput, BestEffortThroughput, Dynamic:
		return nil
	}
	return fmt.Errorf("the limit type is %q; write %s, %s or %s, or leave it out", string(t), GuaranteedThroughput, BestEffortThroughput, Dynamic)
}

// Key is a key and its own limits.
type Key struct {
	// Hash names the key's counters; where it is empty the proxy takes the
	// SHA-256 of the bearer token, in hex. It is told to the key's owner and
	// must not be the key.
	Hash string
	Limits
	Models ModelLimits
	// RPMType and TPMType are rpm_limit_type and tpm_limit_type.
	RPMType, TPMType LimitType
	// Agent is the agent_id of a key that belongs to an agent. It goes before
	// the agent a request names (rule 8).
	Agent string
	// Blocked keys are answered 403.
	Blocked bool
	// AllowedModels are those that the key may ask for, others are answered
	// 403; empty is any.
	AllowedModels []string
	// Spend is what the key has cost so far in US dollars; nil where nobody
	// counts it.
	Spend *float64
}

// User is the user that a key belongs to.
type User struct {
	ID string
	Limits
}

// Team is the team that a key belongs to. Its model limits are the team's
// together, not each of its keys' (rule 7).
type Team struct {
	ID string
	Limits
	Models ModelLimits
}

// TeamMember is what one user may do in one team. It counts only for a key that
// has both a team and a user (rule 6).
type TeamMember struct {
	Limits
}

// EndUser is whom the body's `user` names.
type EndUser struct {
	Limits
}

// Organization is the organization that a key belongs to.
type Organization struct {
	ID string
	Limits
	Models ModelLimits
}

// Project is the project that a key belongs to. It has limits for models alone.
type Project struct {
	ID     string
	Models ModelLimits
}

// Agent is what an agent may do, over all its sessions and within each.
type Agent struct {
	Limits
	Session Limits
}

// Policy is what a request with a key is limited by: the key and all whom it
// belongs to. What is nil is not limited. The proxy reads a policy and never
// writes to it, so policies may share their parts.
type Policy struct {
	Key          Key
	User         *User
	Team         *Team
	TeamMember   *TeamMember
	Organization *Organization
	Project      *Project
}

// NewPolicy returns the policy of a key that belongs to nobody; nil is no limit
// of that kind.
func NewPolicy(requests, tokens, slots *int64) Policy {
	return Policy{Key: Key{Limits: Limits{RPM: requests, TPM: tokens, MaxParallel: slots}}}
}

// KeyLimit is the key's own limit of a kind, and Unlimited where it has none.
func (p Policy) KeyLimit(kind Kind) int64 { return p.Key.kinds()[kind] }

// Keys says what a bearer token may do. The second result is false for a token
// that is nobody's. It may be called concurrently.
type Keys interface {
	Lookup(bearer string) (Policy, bool)
}

// Directory knows whom requests name beside their key (rule 8). The second
// result is false for an id that is not known or not limited; who gives every
// end user a default answers for every id. It may be called concurrently.
type Directory interface {
	EndUser(id string) (EndUser, bool)
	Agent(id string) (Agent, bool)
}

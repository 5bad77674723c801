package checker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Which limit a refusal says has refused.

func namingRequirements() []Requirement {
	return []Requirement{{
		ID: "refusal/names-limit", Level: Should, Layer: Contract,
		Sentence: "A refusal that names a limit names one that can have refused.",
		Source:   "docs/reference.md rule 24; LiteLLM 15716",
		Tolerances: []Tolerance{{
			Value:  "a limit can have refused if all requests of the key before would have used it up, the refused ones too",
			Reason: "whether refusals are charged, and slots are freed, is judged elsewhere",
		}, {
			Value:  "tokens are reckoned at twice the caps, and any number where no maximum was stated",
			Reason: "a limiter may reserve an estimate of its own",
		}, {
			Value:  "requests always can have where the target queues",
			Reason: "a queue may be shorter than the limit",
		}},
		judge: judgeNamesLimit,
	}}
}

// The kinds of limits as refusals name them.
const (
	namesRequests = "requests"
	namesTokens   = "tokens"
	namesSlots    = "slots"
)

// mostOverCap is by how much a limiter's own estimate may be above the cap.
const mostOverCap = 2

// namedLimit is a kind of limit, and where in a refusal it was named.
type namedLimit struct{ kind, where string }

// limitsNamed are the limits that a refusal names, in any known way.
func limitsNamed(a seen) []namedLimit {
	var list []namedLimit
	name := func(kind, where string) {
		if kind != "" {
			list = append(list, namedLimit{kind, where})
		}
	}
	if value := a.Header["rate_limit_type"]; value != "" {
		name(kindOfWord(value), "rate_limit_type: "+value)
	}
	var body struct {
		Error struct {
			Type any `json:"type"`
			Code any `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(a.Excerpt), &body) == nil {
		for _, member := range []struct {
			name  string
			value any
		}{{"type", body.Error.Type}, {"code", body.Error.Code}} {
			if word, isText := member.value.(string); isText {
				name(kindOfWord(word), fmt.Sprintf("error.%s: %q", member.name, word))
			}
		}
	}
	kind, words := kindInText(a.Excerpt)
	name(kind, fmt.Sprintf("%q", words))
	return list
}

// kindOfWord is the kind that one word names; empty where it names none.
func kindOfWord(word string) string {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "requests", "request", "rpm":
		return namesRequests
	case "tokens", "token", "tpm", "input_tokens", "output_tokens":
		return namesTokens
	case "max_parallel_requests", "parallel_requests", "concurrent_requests", "concurrency":
		return namesSlots
	}
	return ""
}

// kindInText finds the one kind that a message names, with the words that do. A
// message that names several, such as one that recites all limits, names none.
func kindInText(text string) (kind, words string) {
	text = strings.ToLower(text)
	for _, p := range []struct {
		pattern string
		kind    string // empty is the word that was found
	}{
		{`limit type: ([a-z_]+)`, ""},
		{`\bon (?:input |output )?tokens per (?:minute|min|day)\b|\b[0-9,]+ (?:input |output )?tokens per minute\b|number of request tokens`, namesTokens},
		{`\bon requests per (?:minute|min|day)\b|\b[0-9,]+ requests per minute\b|number of requests has`, namesRequests},
		{`number of concurrent connections|too many (?:concurrent|parallel) requests|max parallel requests? limit reached`, namesSlots},
	} {
		found := regexp.MustCompile(p.pattern).FindStringSubmatch(text)
		if found == nil {
			continue
		}
		this := p.kind
		if this == "" {
			this = kindOfWord(found[1])
		}
		switch {
		case this == "":
			continue // such as a budget
		case kind != "" && this != kind:
			return "", ""
		}
		kind, words = cmp.Or(kind, this), cmp.Or(words, found[0])
	}
	return kind, words
}

// canHaveRefused are the kinds of limits of a key that can have refused a
// request.
func (v *view) canHaveRefused(k keyView, refusal seen) []string {
	var kinds []string
	requests, tokens := int64(1), max(refusal.Cap, 1)
	bounded := refusal.MaxTokens != nil
	for _, a := range k.attempts {
		if a.ID == refusal.ID || a.Sent > toldAt(refusal) {
			continue
		}
		requests++
		tokens += max(a.Cap, used(a))
		bounded = bounded && a.MaxTokens != nil
	}
	if l := k.Limits.Requests; l != nil && (requests > *l || v.queue != nil) {
		kinds = append(kinds, namesRequests)
	}
	if l := k.Limits.Tokens; l != nil && (mostOverCap*tokens > *l || !bounded) {
		kinds = append(kinds, namesTokens)
	}
	if l := k.Limits.Parallel; l != nil && requests > *l {
		kinds = append(kinds, namesSlots)
	}
	return kinds
}

func judgeNamesLimit(v *view) finding {
	all, told, only := 0, 0, 0
	for _, k := range v.keys {
		k.attempts = v.byKey[k.Alias]
		for _, a := range certain(withOutcome(k.attempts, refused)) {
			all++
			possible, named := v.canHaveRefused(k, a), limitsNamed(a)
			if len(possible) == 0 || len(named) == 0 {
				continue
			}
			told++
			if len(possible) == 1 {
				only++
			}
			for _, n := range named {
				if slices.Contains(possible, n.kind) {
					continue
				}
				return finding{
					verdict: Fail, message: fmt.Sprintf("a refusal on a key with %s names %s, which cannot have refused", describeLimits(k), n.kind),
					expected: strings.Join(possible, " or ") + ", by all that was asked of the key until then",
					observed: n.where, attempts: []int{a.ID},
				}
			}
		}
	}
	switch {
	case all == 0:
		return undecided("nothing was refused: " + firstTrouble(v.all()))
	case told == 0:
		return skipped(fmt.Sprintf("none of %d refusals names a limit", all))
	}
	return passed(fmt.Sprintf("%d refusals name a limit that can have refused, for %d of them only one can", told, only))
}

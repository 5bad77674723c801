package checker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What of a request reaches the provider.

func forwardingRequirements() []Requirement {
	return []Requirement{
		{
			ID: "forwarding/body-unchanged", Level: Must, Layer: Contract,
			Sentence: "What a client asks for reaches the provider as it was sent: messages, tools, n, stop, temperature, and max_tokens, also where there is none.",
			Source:   "docs/reference.md rules 9 and 18; LiteLLM from 1.88 on, which adds max_tokens of tpm/4",
			Tolerances: []Tolerance{{
				Value:  "model, stream and stream_options may be other ones",
				Reason: "a proxy maps models, and asks for usage to count it",
			}, {
				Value:  "members that were added, but for a maximum of tokens, are told and not judged; null is no member",
				Reason: "a default that is spelled out asks for nothing else",
			}},
			judge: judgeBodyUnchanged,
		},
		{
			ID: "forwarding/no-internal-fields", Level: Must, Layer: Contract,
			Sentence: "Nothing that a proxy keeps for itself goes to the provider.",
			Source:   "LiteLLM 27913 (metadata._litellm_tpm_reserved_model)",
			Tolerances: []Tolerance{{
				Value:  "names that the client sent itself",
				Reason: "they are the client's",
			}},
			judge: judgeNoInternalFields,
		},
	}
}

// isMaximum says whether a member bounds the output, in the words of any API.
func isMaximum(name string) bool {
	switch name {
	case "max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample":
		return true
	}
	return false
}

// mayDiffer says whether a member is the proxy's to choose.
func mayDiffer(name string) bool {
	return name == "model" || name == "stream" || name == "stream_options"
}

// forwarded is a request as it was sent and as one call of the provider
// received it.
type forwarded struct {
	of             seen
	sent, received map[string]any
	sameAPI        bool
}

// forwards pairs the requests whose bodies were kept with their calls. Open is
// set where one cannot be paired.
func (v *view) forwards() (list []forwarded, open *finding) {
	note := func(format string, args ...any) {
		if open == nil {
			f := undecided(fmt.Sprintf(format, args...))
			open = &f
		}
	}
	for _, a := range v.all() {
		if a.Body == "" {
			continue
		}
		sent, err := readBody(a.Body)
		if err != nil {
			note("what attempt %d sent cannot be read: %v", a.ID, err)
			continue
		}
		if len(a.calls) == 0 {
			note("a request did not reach the provider: %s", describe(a))
		}
		for _, c := range a.calls {
			if c.Body == "" {
				note("the provider did not keep what it received for attempt %d", a.ID)
				continue
			}
			received, err := readBody(c.Body)
			if err != nil {
				note("what the provider received for attempt %d cannot be read: %v", a.ID, err)
				continue
			}
			list = append(list, forwarded{of: a, sent: sent, received: received, sameAPI: c.Endpoint == a.Endpoint})
		}
	}
	if len(list) == 0 {
		note("no request with a body to compare was sent")
	}
	return list, open
}

func judgeBodyUnchanged(v *view) finding {
	if !v.Run.Ledger {
		return skipped("what reaches the provider is known of our provider only")
	}
	list, open := v.forwards()
	var compared int
	added := map[string]bool{}
	for _, f := range list {
		if !f.sameAPI {
			continue
		}
		compared++
		if wrong, changed := f.changed(); changed {
			return wrong
		}
		for name, value := range f.received {
			if value != nil && f.sent[name] == nil && !mayDiffer(name) {
				added[name] = true
			}
		}
	}
	switch {
	case open != nil:
		return *open
	case compared < len(list):
		return undecided(fmt.Sprintf("%d of %d requests reached another API of the provider and cannot be compared", len(list)-compared, len(list)))
	}
	message := fmt.Sprintf("%d requests reached the provider as they were sent", compared)
	if len(added) > 0 {
		message += "; added were " + strings.Join(slices.Sorted(maps.Keys(added)), ", ")
	}
	return passed(message)
}

// changed finds a member that was sent and is another one, or a maximum of
// tokens that was not sent.
func (f forwarded) changed() (finding, bool) {
	for _, name := range slices.Sorted(maps.Keys(f.sent)) {
		if mayDiffer(name) {
			continue
		}
		if path, sent, received, differ := firstDifference(name, f.sent[name], f.received[name]); differ {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%s did not reach the provider as it was sent (%s)", name, f.of.Endpoint),
				expected: path + ": " + excerptOf(sent), observed: path + ": " + excerptOf(received), attempts: []int{f.of.ID},
			}, true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.received)) {
		if isMaximum(name) && f.received[name] != nil && f.sent[name] == nil {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%s was added to a request that had none (%s)", name, f.of.Endpoint),
				expected: "no " + name, observed: name + ": " + excerptOf(f.received[name]), attempts: []int{f.of.ID},
			}, true
		}
	}
	return finding{}, false
}

func judgeNoInternalFields(v *view) finding {
	if !v.Run.Ledger {
		return skipped("what reaches the provider is known of our provider only")
	}
	list, open := v.forwards()
	for _, f := range list {
		own := map[string]bool{}
		memberNames(f.sent, own)
		if found := internalMembers("", f.received, own); len(found) > 0 {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%d members that the proxy keeps for itself reached the provider (%s)", len(found), f.of.Endpoint),
				expected: "none", observed: strings.Join(found[:min(shown, len(found))], ", "), attempts: []int{f.of.ID},
			}
		}
	}
	if open != nil {
		return *open
	}
	return passed(fmt.Sprintf("none in %d requests", len(list)))
}

package checker

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ratecheck/ratecheck/history"
)

// doubt marks the refusals that may be an overload or a timeout: answers of a
// status that those have too, to a kind of request that the target is seen to
// refuse with 429. A target that refuses with such a status alone is taken at
// its word.
func (j *joined) doubt() {
	type kind struct{ requests, tokens, parallel, stream bool }
	kindOf := func(k history.Key, a seen) kind {
		return kind{k.Limits.Requests != nil, k.Limits.Tokens != nil, k.Limits.Parallel != nil, a.Stream}
	}
	refusesRightly := map[kind]bool{}
	for _, k := range j.Keys {
		for _, a := range j.byKey[k.Alias] {
			if a.outcome == refused && (a.Status == 429 || toldCode(a) == 429) {
				refusesRightly[kindOf(k, a)] = true
			}
		}
	}
	for _, k := range j.Keys {
		list := j.byKey[k.Alias]
		for i, a := range list {
			overload := a.Status == 408 || a.Status == 503 || a.Status == 529 || toldCode(a) == 408 || toldCode(a)/100 == 5
			list[i].doubtful = a.outcome == refused && overload && refusesRightly[kindOf(k, a)]
		}
	}
}

// toldCode is the status that a stream tells whose first event is an error; 0
// where it tells none.
func toldCode(a seen) int {
	var event struct {
		Error struct {
			Code any `json:"code"`
		} `json:"error"`
	}
	if !a.ErrorEvent || json.Unmarshal([]byte(a.Excerpt), &event) != nil {
		return 0
	}
	code, err := strconv.Atoi(fmt.Sprint(event.Error.Code))
	if err != nil {
		return 0
	}
	return code
}

package reports

// litellmDefects are what is known of LiteLLM's releases, from the threads of
// its tracker, its release notes, and runs of 1.80.0, 1.82.3, 1.88.0, 1.94.0 and
// 1.109.1 in memory and with Redis. A range begins with the oldest release that
// was seen to have the defect or is said to; it ends with the oldest that was
// seen or is said to be without it. What no source says is not filled in.
func litellmDefects() []sighting {
	const (
		firstRun = "1.80.0"
		lastRun  = "1.109.1"
		// v3Default is the first release whose limiter is the one with these
		// defects, unless it is told otherwise.
		v3Default = "1.77.2"
		inLast    = "still there in " + lastRun
		// reserves is the first release that takes the tokens before it asks
		// the provider.
		reserves     = "1.85.0"
		goneReserves = "gone from 1.85 (PR 27001)"
		uncounted    = "gone by 1.91 (PR 30105)"
		plusOne      = "each request is charged one token before it is sent, and keeps it beside its real usage or when it fails"
	)
	list := []sighting{
		{"tokens/limit-kept", "", Defect{
			Issue: "17664", From: v3Default, Before: "1.82.3",
			What: "only the tokens of the answer are counted", Gone: "gone by 1.82.3",
		}},
		{"tokens/limit-kept", "", Defect{
			From: lastRun,
			What: "in memory a window turns up to a second before its counter expires, and when it does, what the new window had used is forgotten",
			Gone: inLast, Workaround: "give it Redis",
		}},
		{"tokens/streams-counted", "", Defect{
			Issue: "17664", From: v3Default, Before: "1.82.3",
			What: "only the tokens of the answer are counted", Gone: "gone by 1.82.3",
		}},
		{"tokens/streams-without-usage-counted", "", Defect{
			Issue: "17664", From: v3Default, Before: "1.82.3",
			What: "only the tokens of the answer are counted", Gone: "gone by 1.82.3",
		}},
		{"refund/once", "", Defect{
			Issue: "17664", From: v3Default, Before: "1.82.3",
			What: "only the tokens of the answer are counted, which looks like a refund of the prompt's", Gone: "gone by 1.82.3",
		}},
		{"tokens/streams-counted", "responses", Defect{
			Issue: "17706", From: firstRun, Before: "1.80.10",
			What: "the usage of /v1/responses is not read, and a request counts as one token", Gone: "gone from 1.80.10 (PR 17707)",
		}},
		{"tokens/limit-kept-concurrent", "", Defect{
			Issue: "18730", From: firstRun, Before: reserves,
			What: "tokens are checked before a request and charged after its answer, so that all that is in flight at once passes",
			Gone: goneReserves,
		}},
		{"tokens/window-reopens", "", Defect{
			Issue: "24677 and 18953", From: firstRun, Before: "1.103.0",
			What:       "with a request limit beside it the token counter is not reset when its window turns",
			Gone:       "gone from 1.85 (Redis) and 1.103 (memory)",
			Workaround: "leave out the request limit of keys that have a token limit",
		}},
		{"tokens/lockout-bounded", "", Defect{
			Issue: "24677", From: firstRun, Before: "1.103.0",
			What:       "in memory a token counter made by a charge after its window lives for ten minutes",
			Gone:       "gone from 1.103",
			Workaround: "give it Redis, or leave out the request limit",
		}},
		{"requests/straddling-burst", "", Defect{
			From: firstRun,
			What: "with Redis each process keeps a copy of a counter that is over its limit, for a window from when the copy was made and not until the counter's window turns",
			Gone: inLast,
		}},
		{"refund/upstream-error", "", Defect{
			From: firstRun, Before: reserves, What: plusOne, Gone: goneReserves,
		}},
		{"drift/remaining-matches-usage", "", Defect{
			From: firstRun, Before: reserves, What: plusOne, Gone: goneReserves,
		}},
		{"drift/remaining-matches-usage", "responses", Defect{
			Issue: "17706", From: firstRun, Before: "1.80.10",
			What: "the usage of /v1/responses is not read, and a request counts as one token", Gone: "gone from 1.80.10 (PR 17707)",
		}},
		{"drift/remaining-matches-usage", "responses", Defect{
			From: "1.80.10", Before: reserves, What: plusOne, Gone: goneReserves,
		}},
		{"drift/remaining-matches-usage", "embeddings", Defect{
			Issue: "27738", From: firstRun, Before: "1.91.0", What: "the tokens of embeddings are not counted", Gone: uncounted,
		}},
		{"drift/remaining-matches-usage", "completions", Defect{
			Issue: "27738", From: firstRun, Before: "1.91.0", What: "the tokens of text completions are not counted", Gone: uncounted,
		}},
		{"headers/provider-passed", "", Defect{
			From: v3Default, Before: "1.82.3",
			What: "streams do not pass on what the provider's headers say", Gone: "gone by 1.82.3",
		}},
		{"tokens/endpoints-counted", "responses", Defect{
			Issue: "17706", From: firstRun, Before: "1.80.10",
			What: "the usage of /v1/responses is not read, and a request counts as one token", Gone: "gone from 1.80.10 (PR 17707)",
		}},
		{"tokens/endpoints-counted", "embeddings", Defect{
			Issue: "27738", From: firstRun, Before: "1.91.0", What: "the tokens of embeddings are not counted", Gone: uncounted,
		}},
		{"tokens/endpoints-counted", "completions", Defect{
			Issue: "27738", From: firstRun, Before: "1.91.0", What: "the tokens of text completions are not counted", Gone: uncounted,
		}},
		{"tokens/basis", "", Defect{
			Issue: "17664", From: v3Default, Before: "1.82.3",
			What: "only the tokens of the answer are counted", Gone: "gone by 1.82.3",
		}},
		{"refund/disconnect", "", Defect{
			From: "1.82.3", Before: "1.88.0",
			What: "a stream that its client leaves is charged one token, whatever it used", Gone: "gone by 1.88",
		}},
		{"refund/own-window", "", Defect{
			From: reserves,
			What: "what was reserved in one window is given back in the next, which then admits more than its limit", Gone: inLast,
		}},
		{"tokens/small-limit-usable", "", Defect{
			Issue: "28805", From: reserves, Before: "1.88.0",
			What:       "without max_tokens 1024 tokens are reserved for the answer, more than a small limit has",
			Gone:       "gone from about 1.88",
			Workaround: "send max_tokens",
		}},
		{"requests/refused-not-charged", "", Defect{
			Issue: "39309", From: firstRun,
			What: "a request that is refused for another limit has been charged to the request limit", Gone: inLast,
		}},
		{"parallel/kept-across-windows", "", Defect{
			Issue: "16011", From: firstRun, Before: "1.94.0",
			What: "requests in flight are counted per window, and forgotten when it turns", Gone: "gone from 1.94 (PR 32441)",
		}},
		{"parallel/slot-freed", "", Defect{
			Issue: "27955", From: firstRun, Before: "1.91.0",
			What: "a stream that its client leaves keeps its slot", Gone: "gone by 1.91 (PR 30020)",
		}},
		{"headers/on-streams", "", Defect{
			Issue: "27748", From: firstRun,
			What: "streams carry no rate headers", Gone: inLast,
		}},
		{"headers/on-streams", "completions", Defect{
			Issue: "27748", From: firstRun, What: "streams carry no rate headers", Gone: inLast,
		}},
		{"headers/on-streams", "responses", Defect{
			Issue: "27748", From: firstRun, What: "streams carry no rate headers", Gone: inLast,
		}},
		{"headers/on-streams", "messages", Defect{
			Issue: "27748", From: firstRun, What: "streams carry no rate headers", Gone: inLast,
		}},
		{"isolation/many-keys", "", Defect{
			Issue: "36541", From: firstRun, Before: lastRun,
			What:       "in memory the counters of keys are evicted, and new keys go unlimited when some 100 were seen",
			Gone:       "gone by " + lastRun,
			Workaround: "give it Redis",
		}},
		{"scopes/team-model-limit", "", Defect{
			Issue: "37789", From: firstRun, Before: "1.103.0",
			What:       "a team's descriptor for a model stands there twice, so that its limit is halved",
			Gone:       "gone from 1.103",
			Workaround: "set the limit for the model on the team's keys",
		}},
		{"headers/on-answers", "messages", Defect{
			Issue: "27748", From: firstRun, Before: lastRun,
			What: "answers of /v1/messages carry no rate headers", Gone: "gone by " + lastRun,
		}},
		{"headers/key-before-provider", "", Defect{
			From:       firstRun,
			What:       "x-ratelimit-remaining-* and -limit-* are the provider's numbers, not the key's",
			Gone:       inLast,
			Workaround: "read x-ratelimit-api_key-* on answers that are not streamed",
		}},
		{"headers/remaining-true", "embeddings", Defect{
			Issue: "27738", From: "1.88.0", Before: "1.91.0",
			What: "what was reserved for embeddings is given back whole, so that what remains does not fall", Gone: uncounted,
		}},
		{"headers/remaining-true", "completions", Defect{
			Issue: "27738", From: "1.88.0", Before: "1.91.0",
			What: "what was reserved for text completions is given back whole, so that what remains does not fall", Gone: uncounted,
		}},
		{"headers/reset-plausible", "", Defect{
			Issue: "39816", From: firstRun, Before: "1.103.0",
			What:       "reset_at is local time and says that it is UTC",
			Gone:       "gone by 1.103",
			Workaround: "run it with TZ=UTC, or read retry-after",
		}},
		{"refusal/never-fits", "", Defect{
			From:       "1.88.0",
			What:       "a request that asks for more tokens than its limit is told to come back after a window, each time",
			Gone:       inLast,
			Workaround: "send a max_tokens that is below the token limit",
		}},
		{"refusal/retry-after", "messages", Defect{
			From: firstRun,
			What: "a refusal of /v1/messages has no retry-after", Gone: inLast,
		}},
		{"refusal/retry-after", "completions", Defect{
			From: firstRun,
			What: "a refusal of /v1/completions has no retry-after", Gone: inLast,
		}},
		{"refusal/retry-after-tight", "", Defect{
			Issue: "4695", From: firstRun,
			What: "retry-after is always the whole window, however little is left of it", Gone: inLast,
		}},
		{"forwarding/body-unchanged", "", Defect{
			From:       "1.88.0",
			What:       "where the token limit is below 4096 a request without max_tokens is given a quarter of the limit",
			Gone:       inLast,
			Workaround: "send max_tokens",
		}},
		{"forwarding/no-internal-fields", "", Defect{
			Issue: "27913", From: reserves, Before: "1.86.0",
			What: "fields of its limiter are handed on to the provider", Gone: "gone from 1.86",
		}},
		{"forwarding/no-internal-fields", "responses", Defect{
			Issue: "35197", From: "1.88.0", Before: lastRun,
			What: "metadata of its limiter is handed on to the provider", Gone: "gone by " + lastRun,
		}},
	}
	for i := range list {
		list[i].Product = "LiteLLM"
	}
	return list
}

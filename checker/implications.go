package checker

// Implications says which further requirements may be broken by whatever breaks
// one of them, for no fault can break the one alone. What stands here is
// allowed for in the test that each fault is caught by its requirement and by no
// other.
func Implications() map[string][]string {
	return map[string][]string{
		// Who admits one less than the limit gives one less back after silence.
		"requests/limit-usable": {"requests/window-reopens", "requests/refused-not-charged", "scopes/tightest"},
		// Who does not keep a key's limit does not keep it in a team either, and so
		// with a team's.
		"requests/limit-kept": {"scopes/tightest"},
		"scopes/team":         {"scopes/tightest"},
		// Who gives nothing back after a window also refuses where there is room.
		"requests/window-reopens": {"requests/limit-usable"},
		// Who has a slot too many has it behind an edge too.
		"parallel/limit-kept": {"parallel/kept-across-windows"},
		// Who charges another amount than was used is off at rest.
		"tokens/limit-kept": {
			"drift/remaining-matches-usage", "tokens/streams-counted", "tokens/streams-without-usage-counted", "refund/unused-estimate",
			"tokens/limit-usable", "requests/refused-not-charged",
			"refund/own-window", "refund/disconnect", "refund/once", "drift/edge-exact", "tokens/basis",
		},
		// Who lets less than the limit be used refuses where there is room.
		"tokens/limit-usable":           {"tokens/limit-kept"},
		"drift/remaining-matches-usage": {"tokens/streams-counted", "refund/unused-estimate", "drift/edge-exact"},
		// Who loses the window of a late answer locks out whoever keeps asking.
		"tokens/window-reopens": {"tokens/lockout-bounded"},
		// The traffic of the drift is streamed in part, and reserves too much; who
		// leaves leaves a stream, which costs nothing then.
		"tokens/streams-counted": {"drift/remaining-matches-usage", "drift/edge-exact", "tokens/endpoints-counted", "tokens/basis", "refund/disconnect"},
		// What is not charged is not charged to the token.
		"tokens/endpoints-counted": {"drift/remaining-matches-usage"},
		"refund/unused-estimate":   {"drift/remaining-matches-usage"},
	}
}

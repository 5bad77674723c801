package history

// TokensByWindow is the scenario that measures how exactly a token limit is kept.
// Its steps are a way and the number of a window, from 1: "in-turn-2".
const TokensByWindow = "tokens-by-window"

// The ways in which tokens are asked for there.
const (
	InTurn  = "in-turn"
	AtOnce  = "at-once"
	Streams = "streams"
)

// TokensByWindowWays returns the ways, in the order of reports.
func TokensByWindowWays() []string { return []string{InTurn, AtOnce, Streams} }

package window

import "time"

const (
	// horizon bounds instants, windows and limits, so that sums of a few of
	// them stay within int64. 2^60 ns are 36 years; an attempt that never
	// ended may be given with the largest To there is.
	horizon = int64(1) << 60
	// never lies after every instant, and above every sum of costs.
	never = int64(1) << 62
)

// cost brings a cost into the range in which the sum of n does not overflow.
func cost(c int64, n int) int64 { return min(max(c, 0), (never-1)/int64(n+1)) }

// spans are attempts in order of their From: parallel slices, since the sweeps
// touch one of them at a time. src is the index in the caller's slice.
type spans struct {
	from, to, cost []int64
	src            []int32
}

func instant(t time.Duration) int64 { return min(max(int64(t), -horizon), horizon) }

// pick takes out the admitted or the refused events.
func pick(events []Event, admitted bool) spans {
	n, first := 0, time.Duration(never)
	for i := range events {
		if e := &events[i]; e.Admitted == admitted {
			n++
			first = min(first, e.From, e.To)
		}
	}
	ks := make([]keyed, 0, n)
	for i := range events {
		if e := &events[i]; e.Admitted == admitted {
			ks = append(ks, keyed{uint64(instant(min(e.From, e.To))) - uint64(instant(first)), int32(i)})
		}
	}
	sp := spans{make([]int64, n), make([]int64, n), make([]int64, n), make([]int32, n)}
	for p, k := range sortKeyed(ks) {
		e := &events[k.at]
		sp.from[p], sp.to[p] = instant(min(e.From, e.To)), instant(max(e.From, e.To))
		sp.cost[p], sp.src[p] = cost(e.Cost, len(events)), k.at
	}
	return sp
}

// series are admitted attempts in both orders, with running sums.
type series struct {
	spans
	byTo  []int32 // positions in spans, in order of To
	rank  []int32 // rank[p] is the place of position p in byTo
	end   []int64 // To, ascending
	begun []int64 // begun[i]: cost of the first i by From
	ended []int64 // ended[j]: cost of the first j by To
}

func newSeries(sp spans) *series {
	n := len(sp.from)
	s := &series{
		spans: sp, byTo: sortInstants(sp.to), rank: make([]int32, n), end: make([]int64, n),
		begun: make([]int64, n+1), ended: make([]int64, n+1),
	}
	for i, c := range s.cost {
		s.begun[i+1] = s.begun[i] + c
	}
	for j, p := range s.byTo {
		s.rank[p] = int32(j)
		s.end[j] = s.to[p]
		s.ended[j+1] = s.ended[j] + s.cost[p]
	}
	return s
}

// least returns the first index of the ascending ts whose instant is t or
// later. hint is any index from which to start looking: neighbours in time are
// neighbours in memory, and a search from the last answer touches little.
func least(ts []int64, t int64, hint int) int {
	lo, hi, step := hint, hint, 1
	if hint < len(ts) && ts[hint] < t {
		for hi < len(ts) && ts[hi] < t {
			lo, hi, step = hi+1, hi+step, step*2
		}
		hi = min(hi, len(ts))
	} else {
		for lo > 0 && ts[lo-1] >= t {
			hi, lo, step = lo-1, lo-step, step*2
		}
		lo = max(lo, 0)
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if ts[mid] < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// within lists the positions of attempts that lie wholly in [from, before).
func (s *series) within(from, before int64) []int32 {
	var list []int32
	for p := least(s.from, from, 0); p < len(s.from) && s.from[p] < before; p++ {
		if s.to[p] < before {
			list = append(list, int32(p))
		}
	}
	return list
}

// overrun is the finding that the attempts at these positions (in order of
// time) were admitted though only bound cost units could be. The set named is
// the smallest: largest costs first, and of equal ones the earliest.
func (s *spans) overrun(events []Event, list []int32, bound int64) Finding {
	dearest, total := int64(0), int64(0)
	for _, p := range list {
		dearest = max(dearest, s.cost[p])
		total += s.cost[p]
	}
	ks := make([]keyed, len(list))
	for i, p := range list {
		ks[i] = keyed{uint64(dearest - s.cost[p]), int32(i)}
	}
	chosen, sum := make([]bool, len(list)), int64(0)
	for _, k := range sortKeyed(ks) {
		chosen[k.at] = true
		if sum += s.cost[list[k.at]]; sum > bound {
			break
		}
	}
	var named []int32
	for i, p := range list {
		if chosen[i] {
			named = append(named, p)
		}
	}
	return s.tell(events, list, named, total-bound)
}

// tell is the finding that all attempts at these positions are in excess, by
// naming some, in order of time.
func (s *spans) tell(events []Event, all, named []int32, excess int64) Finding {
	f := Finding{Excess: excess}
	for i, p := range all {
		from, to := time.Duration(s.from[p]), time.Duration(s.to[p])
		if i == 0 {
			f.From, f.To = from, to
		}
		f.From, f.To = min(f.From, from), max(f.To, to)
	}
	for _, p := range named {
		f.IDs = append(f.IDs, events[s.src[p]].ID)
	}
	return f
}

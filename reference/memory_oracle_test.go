package reference

import "time"

// The oracle is the store as one would write it without caring for speed: one
// map, counters looked up by name, duplicates put together before anything is
// decided, leases in a map. It shares no code with Memory.
type oracle struct {
	latest  time.Time
	windows map[oracleKey]*oracleWindow
	leases  map[oraclePair]map[int]time.Time // held until
	last    int                              // the last lease given out
}

type oraclePair struct{ scope, value string }

type oracleKey struct {
	oraclePair
	kind Kind
}

type oracleWindow struct {
	end  time.Time
	used int64
	id   int // tells a window from its successors
}

// oracleReceipt is what one item was charged.
type oracleReceipt struct {
	window  *oracleWindow
	id      int
	charged int64
	lease   int
	settled bool
}

func newOracle() *oracle {
	return &oracle{windows: map[oracleKey]*oracleWindow{}, leases: map[oraclePair]map[int]time.Time{}}
}

// clamp is the time of a call that may write.
func (o *oracle) clamp(now time.Time) time.Time {
	if now.After(o.latest) {
		o.latest = now
	}
	return o.latest
}

func pairOf(item Item) oraclePair { return oraclePair{item.Scope, item.Value} }

func (o *oracle) window(item Item, k Kind) *oracleWindow {
	key := oracleKey{pairOf(item), k}
	if o.windows[key] == nil {
		o.windows[key] = &oracleWindow{}
	}
	return o.windows[key]
}

func (o *oracle) used(item Item, k Kind, at time.Time) int64 {
	if k == Slots {
		var n int64
		for _, until := range o.leases[pairOf(item)] {
			if at.Before(until) {
				n++
			}
		}
		return n
	}
	if w := o.window(item, k); at.Before(w.end) {
		return w.used
	}
	return 0
}

// amounts are what is asked of each item, duplicates put together.
func amounts(items []Item) [][kinds]int64 {
	all := make([][kinds]int64, len(items))
	for i, a := range items {
		for k := range kinds {
			if a.Amounts[k] <= 0 || a.Limits[k] == Unlimited {
				continue
			}
			for _, b := range items {
				if pairOf(a) == pairOf(b) && b.Limits[k] != Unlimited {
					all[i][k] = max(all[i][k], b.Amounts[k])
				}
			}
		}
		all[i][Slots] = min(all[i][Slots], 1)
	}
	return all
}

func (o *oracle) decide(now, at time.Time, items []Item) Decision {
	d := Decision{Admitted: true}
	asked := amounts(items)
	for i, item := range items {
		for k := range kinds {
			if asked[i][k] == 0 || o.used(item, k, at)+asked[i][k] <= item.Limits[k] {
				continue
			}
			if d.Admitted {
				d = Decision{Item: i, Kind: k}
			}
			wait := time.Second
			if k != Slots {
				wait = o.window(item, k).end.Sub(now)
			}
			if asked[i][k] > item.Limits[k] {
				d.Never = true
			}
			d.RetryAfter = max(d.RetryAfter, wait)
		}
	}
	if d.Never {
		d.RetryAfter = 0
	}
	return d
}

func (o *oracle) reserve(now time.Time, items []Item) (Decision, []oracleReceipt) {
	receipts := make([]oracleReceipt, len(items))
	if len(items) == 0 {
		return Decision{Admitted: true}, receipts // no counter sees the time
	}
	at := o.clamp(now)
	d := o.decide(now, at, items)
	if !d.Admitted {
		return d, receipts
	}
	charged := map[oracleKey]bool{}
	for i, asked := range amounts(items) {
		item := items[i]
		for k := range kinds {
			key := oracleKey{pairOf(item), k}
			if asked[k] == 0 || charged[key] {
				continue
			}
			charged[key] = true
			if k == Slots {
				if o.leases[pairOf(item)] == nil {
					o.leases[pairOf(item)] = map[int]time.Time{}
				}
				o.last++
				receipts[i].lease = o.last
				o.leases[pairOf(item)][o.last] = at.Add(SlotLease)
				continue
			}
			w := o.window(item, k)
			if !at.Before(w.end) {
				*w = oracleWindow{end: at.Add(item.Window), id: w.id + 1}
			}
			w.used += asked[k]
			if k == Tokens {
				receipts[i].window, receipts[i].id, receipts[i].charged = w, w.id, asked[k]
			}
		}
	}
	return d, receipts
}

func (o *oracle) settle(now time.Time, receipts []oracleReceipt, used int64) {
	for i := range receipts {
		r := &receipts[i]
		if r.charged == 0 {
			continue
		}
		at := o.clamp(now)
		if !r.settled && r.window.id == r.id && at.Before(r.window.end) {
			r.window.used = max(r.window.used-r.charged, 0) + max(used, 0)
		}
		r.settled = true
	}
}

func (o *oracle) renew(now time.Time, items []Item, receipts []oracleReceipt) {
	for i, r := range receipts {
		if r.lease == 0 {
			continue
		}
		at := o.clamp(now)
		leases := o.leases[pairOf(items[i])]
		if until, held := leases[r.lease]; held && at.Before(until) {
			leases[r.lease] = at.Add(SlotLease)
		}
	}
}

func (o *oracle) release(now time.Time, items []Item, receipts []oracleReceipt) {
	for i, r := range receipts {
		if r.lease != 0 {
			o.clamp(now)
			delete(o.leases[pairOf(items[i])], r.lease)
		}
	}
}

// counters is what After should say of an item.
func (o *oracle) counters(now, at time.Time, item Item) [kinds]Counter {
	var all [kinds]Counter
	for k := range kinds {
		if item.Limits[k] == Unlimited {
			continue
		}
		all[k].Remaining = max(item.Limits[k]-o.used(item, k, at), 0)
		if k != Slots {
			all[k].Reset = item.Window
			if w := o.window(item, k); at.Before(w.end) {
				all[k].Reset = w.end.Sub(now)
			}
		}
	}
	return all
}

package reference

import "time"

// call is one decision under way.
type call struct {
	items  []Item
	parts  []part // one an item
	shards uint64 // a bit for each shard that is needed
	twins  bool   // a pair of scope and value is named twice
	asked  int64  // the caller's time
}

// part is what a call knows of one item.
type part struct {
	hash    uint64
	account *account // &Memory.none while the pair has no counters
}

// locate finds out which shards are needed, and whether there are twins.
func (m *Memory) locate(c *call) {
	for i := range c.items {
		h := m.hash(&c.items[i].Descriptor)
		c.parts[i].hash = h
		c.shards |= 1 << shardOf(h)
		for j := range i {
			if c.parts[j].hash == h && c.same(i, j) {
				c.twins = true
			}
		}
	}
}

// find looks up the counters; the shards must be locked.
func (m *Memory) find(c *call) {
	for i := range c.parts {
		p := &c.parts[i]
		p.account = m.shards[shardOf(p.hash)].find(p.hash, &c.items[i].Descriptor, &m.none)
	}
}

// roomFor is usual, or as many parts as n items need.
func roomFor(n int, usual []part) []part {
	if n > len(usual) {
		return make([]part, n)
	}
	return usual[:n]
}

func (c *call) same(i, j int) bool {
	return c.items[i].Value == c.items[j].Value && c.items[i].Scope == c.items[j].Scope
}

// asks is what the item alone wants counted of kind k, 0 for nothing.
func (item *Item) asks(k Kind) int64 {
	if item.Limits[k] == Unlimited {
		return 0
	}
	return max(item.Amounts[k], 0)
}

// fits reports whether there is room for what the item alone asks of kind k.
func (item *Item) fits(k Kind, used int64) bool {
	amount, limit := item.Amounts[k], item.Limits[k]
	return amount <= 0 || limit == Unlimited || amount <= limit && amount <= limit-used || item.CountOnly[k]
}

// largest is the largest amount that item i and its twins ask of kind k, 0 if
// item i asks for nothing.
func (c *call) largest(i int, k Kind) int64 {
	amount := c.items[i].asks(k)
	if amount == 0 {
		return 0
	}
	for j := range c.items {
		if c.same(i, j) {
			amount = max(amount, c.items[j].asks(k))
		}
	}
	return amount
}

// share is what item i is charged of kind k: among twins the first that asks
// for anything is charged for all.
func (c *call) share(i int, k Kind) int64 {
	for j := range i {
		if c.same(i, j) && c.items[j].asks(k) > 0 {
			return 0
		}
	}
	return c.largest(i, k)
}

// decide writes to d whether all amounts fit at the time at.
func (c *call) decide(at int64, d *Decision) {
	d.Admitted = true
	for i := range c.items {
		item := &c.items[i]
		w := &c.parts[i].account.windows
		// What judge would find out too, an eighth of a decision faster.
		if !c.twins && item.asks(Slots) == 0 &&
			item.fits(Requests, w[Requests].usedAt(at)) && item.fits(Tokens, w[Tokens].usedAt(at)) {
			continue
		}
		c.judge(i, at, d)
	}
	if d.Never {
		d.RetryAfter = 0
	}
}

// judge adds to d the counters of item i that refuse.
func (c *call) judge(i int, at int64, d *Decision) {
	item, a := &c.items[i], c.parts[i].account
	for k := range Slots {
		amount := c.largest(i, k)
		if amount == 0 || item.CountOnly[k] {
			continue
		}
		if amount > item.Limits[k] {
			d.refuse(i, k, 0, true)
		} else if amount > item.Limits[k]-a.windows[k].usedAt(at) {
			d.refuse(i, k, time.Duration(a.windows[k].end-c.asked), false)
		}
	}
	if item.asks(Slots) == 0 {
		return
	}
	if item.Limits[Slots] < 1 {
		d.refuse(i, Slots, 0, true)
	} else if a.slots.held(at) >= item.Limits[Slots] {
		d.refuse(i, Slots, slotRetry, false)
	}
}

// refuse adds a counter that refuses; the first one is named.
func (d *Decision) refuse(i int, k Kind, wait time.Duration, never bool) {
	if d.Admitted {
		d.Admitted, d.Item, d.Kind = false, i, k
	}
	d.Never = d.Never || never
	d.RetryAfter = max(d.RetryAfter, wait)
}

// charge adds all amounts and writes the receipts.
func (m *Memory) charge(c *call, at int64) {
	for i := range c.items {
		item, p := &c.items[i], &c.parts[i]
		item.receipt = receipt{}
		requests, tokens, slots := item.asks(Requests), item.asks(Tokens), item.asks(Slots)
		if c.twins {
			requests, tokens, slots = c.share(i, Requests), c.share(i, Tokens), c.share(i, Slots)
		}
		if requests == 0 && tokens == 0 && slots == 0 {
			continue
		}
		if p.account == &m.none {
			m.add(c, i)
		}
		if requests > 0 {
			p.account.windows[Requests].charge(requests, at, item.Window)
		}
		if tokens > 0 {
			if item.CountOnly[Tokens] {
				// Nobody refuses it, and the sum must stay a number: more than
				// the limit is as good as the limit until it settles.
				tokens = min(tokens, max(1, item.Limits[Tokens]))
			}
			w := &p.account.windows[Tokens]
			item.receipt.charged = w.charge(tokens, at, item.Window)
			item.receipt.opened = w.opened
		}
		if slots > 0 {
			item.receipt.slot, item.receipt.lease = p.account.hold(&m.shards[shardOf(p.hash)], at)
		}
	}
}

// add makes the counters of item i, for its twins too.
func (m *Memory) add(c *call, i int) {
	h := c.parts[i].hash
	a := m.shards[shardOf(h)].add(h, &c.items[i].Descriptor)
	for j := range c.parts {
		if j == i || c.twins && c.same(i, j) {
			c.parts[j].account = a
		}
	}
}

// report fills in After.
func (c *call) report(at int64) {
	for i := range c.items {
		item := &c.items[i]
		a := c.parts[i].account
		item.showWindow(Requests, &a.windows[Requests], at, c.asked)
		item.showWindow(Tokens, &a.windows[Tokens], at, c.asked)
		item.After[Slots] = Counter{}
		if limit := item.Limits[Slots]; limit != Unlimited {
			item.After[Slots].Remaining = remaining(limit, a.slots.held(at))
		}
	}
}

func (item *Item) showWindow(k Kind, w *window, at, asked int64) {
	limit, after := item.Limits[k], &item.After[k]
	switch {
	case limit == Unlimited:
		*after = Counter{}
	case at < w.end:
		after.Remaining, after.Reset = remaining(limit, w.used), time.Duration(w.end-asked)
	default:
		after.Remaining, after.Reset = remaining(limit, 0), windowOf(item.Window)
	}
}

// remaining is what used, which is not negative, leaves of limit: at least 0.
func remaining(limit, used int64) int64 { return max(limit, used) - used }

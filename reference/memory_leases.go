package reference

// sparedLeases is how much room a counter keeps when its last slot is freed: a
// burst of thousands must not cost memory for ever, and a key that is used one
// request at a time must not allocate for each.
const sparedLeases = 8

// leases are the slots held of one counter, as a ring in the order in which
// they lapse, so that what has lapsed is at its head.
type leases struct {
	ring []lease // ring[0] is the anchor: after it the first, before it the last
	free int32   // the first unused entry, linked by next; 0 for none
	live int32   // entries between the anchors, lapsed ones included
}

type lease struct {
	id         uint64 // 0 while unused
	until      int64  // held at times before this
	prev, next int32
}

func newLeases() *leases { return &leases{ring: make([]lease, 1, 2)} }

// held is how many have not lapsed at the time at; none of a nil l.
func (l *leases) held(at int64) int64 {
	if l == nil {
		return 0
	}
	n := l.live
	for i := l.ring[0].next; i != 0 && l.ring[i].until <= at; i = l.ring[i].next {
		n--
	}
	return int64(n)
}

// hold adds a lease that starts at the time at and returns its place.
func (l *leases) hold(id uint64, at int64) int32 {
	for first := l.ring[0].next; first != 0 && l.ring[first].until <= at; first = l.ring[0].next {
		l.drop(first)
	}
	i := l.free
	if i != 0 {
		l.free = l.ring[i].next
	} else {
		i = int32(len(l.ring))
		l.ring = append(l.ring, lease{})
	}
	l.ring[i].id = id
	l.link(i, addTime(at, SlotLease))
	l.live++
	return i
}

// renew extends lease id, kept at i, if it has not lapsed.
func (l *leases) renew(i int32, id uint64, at int64) {
	if !l.has(i, id) || l.ring[i].until <= at {
		return
	}
	l.unlink(i)
	l.link(i, addTime(at, SlotLease))
}

// release frees lease id, kept at i, if that has not been done.
func (l *leases) release(i int32, id uint64) {
	if !l.has(i, id) {
		return
	}
	l.drop(i)
	if l.live == 0 && cap(l.ring) > sparedLeases {
		*l = *newLeases()
	}
}

func (l *leases) has(i int32, id uint64) bool {
	return int(i) < len(l.ring) && l.ring[i].id == id
}

// link puts i at the end of the ring. Time does not run backwards within a
// store and all leases are equally long, so none there lapses later.
func (l *leases) link(i int32, until int64) {
	last := l.ring[0].prev
	l.ring[i].until, l.ring[i].prev, l.ring[i].next = until, last, 0
	l.ring[last].next = i
	l.ring[0].prev = i
}

func (l *leases) unlink(i int32) {
	prev, next := l.ring[i].prev, l.ring[i].next
	l.ring[prev].next, l.ring[next].prev = next, prev
}

func (l *leases) drop(i int32) {
	l.unlink(i)
	l.ring[i] = lease{next: l.free}
	l.free = i
	l.live--
}

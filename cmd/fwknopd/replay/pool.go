package replay

// poolChunk is how many values are allocated at a time, so that growing copies none.
const poolChunk = 1 << 10

// A pool stores values by number. Numbers that were freed are given out again. The zero value
// is empty.
type pool[T any] struct {
	chunks []*[poolChunk]T
	n      uint32   // numbers in use, and unused ones
	unused []uint32 // free numbers
}

// at returns the value of a number. What a number that was freed had is still there.
func (p *pool[T]) at(number uint32) *T { return &p.chunks[number/poolChunk][number%poolChunk] }

// allocate returns a free number.
func (p *pool[T]) allocate() uint32 {
	if last := len(p.unused) - 1; last >= 0 {
		number := p.unused[last]
		p.unused = p.unused[:last]
		return number
	}
	if p.n%poolChunk == 0 {
		p.chunks = append(p.chunks, new([poolChunk]T))
	}
	p.n++
	return p.n - 1
}

// free frees a number.
func (p *pool[T]) free(number uint32) { p.unused = append(p.unused, number) }

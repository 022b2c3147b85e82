package enforcetest

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"fwknopd/enforce"
)

// Bench measures a single grant among few and among many others, from Apply to
// open, and a burst. When Apply has returned, the next packet passes.
func Bench(b *testing.B, v Variant) {
	for _, others := range []int{0, 1000, 10000} {
		b.Run(fmt.Sprintf("one/among=%d", others), func(b *testing.B) {
			be := newBench(b, v)
			src := fill(b, be, others)
			measure(b, be, func(backend enforce.Backend) {
				for b.Loop() {
					src = src.Next()
					if err := backend.Apply(ctx, benchGrant(src)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
	b.Run("burst=200", func(b *testing.B) {
		be := newBench(b, v)
		src := fill(b, be, 0)
		measure(b, be, func(backend enforce.Backend) {
			for b.Loop() {
				gs := make([]enforce.Grant, 200)
				for i := range gs {
					src = src.Next()
					gs[i] = benchGrant(src)
				}
				if errs := backend.ApplyAll(ctx, gs); errs != nil {
					b.Fatal(errs)
				}
			}
		})
	})
}

func benchGrant(src netip.Addr) enforce.Grant {
	return enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(time.Hour), Stanza: 3}
}

// fill opens n grants and returns the last address.
func fill(b *testing.B, be *bench, n int) netip.Addr {
	src := netip.MustParseAddr("198.18.0.0")
	gs := make([]enforce.Grant, n)
	for i := range gs {
		src = src.Next()
		gs[i] = benchGrant(src)
	}
	if errs := be.ApplyAll(ctx, gs); errs != nil {
		b.Fatal(enforce.FirstError(errs))
	}
	return src
}

// measure runs f in the server's namespace and reports processor time beside the
// time that passed; that of programs counts.
func measure(b *testing.B, be *bench, f func(enforce.Backend)) {
	be.Server.Do(func() {
		before := cpu()
		f(be.Backend.(inside).Backend)
		b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	})
}

func cpu() (used time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			used += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return used
}

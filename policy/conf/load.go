// Package conf reads what an fwknop user has: fwknop.conf (or fwknopd.conf) and
// access.conf of both generations. Values keep where they were written; all problems
// of all files are found in one go, each with its place; and where the two old
// daemons differ, a file means what its own daemon made of it.
//
// There are two layers. [Values] is what files, command line and defaults say, by
// keyword; [Server] and [Access] are the same with types, as the engine uses them.
// The tables [ServerKeywords] and [AccessKeywords] are the only source of what a
// keyword is: for the parser, the hints, the dump, the help and the manual pages.
//
// The package does no I/O: files and facts of the host come through [FS] and [Host].
//
// Entry point: [Load].
package conf

// Load reads both files. Where neither name nor keywords of fwknop.conf show its
// generation, that of access.conf decides the defaults.
func Load(o Options) (*Server, *Values, *Access, Problems) {
	s, v, sp := LoadServer(o)
	a, ap := LoadAccess(o, v)
	if !v.Evident && a.Generation != v.Generation {
		o.Generation = a.Generation
		s, v, sp = LoadServer(o)
		a, ap = LoadAccess(o, v)
	}
	return s, v, a, append(sp, ap...)
}

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

package daemon

import "fwknopd/policy/conf"

// reload reads the configuration again. A bad one changes nothing. Grants, digests
// and the state of knock sequences stay. quiet leaves out the word that nothing
// changed.
func (k *keeper) reload(quiet bool) {
	s, problems := prepare(k.o)
	for _, p := range problems {
		k.say(bad, "%s", p)
	}
	if problems.Failed() {
		k.alert(bad, "the new configuration is refused, the old one stays in force")
		return
	}
	if quiet && s.bundle.equal(k.conf().bundle) {
		return
	}
	old := k.conf()
	reloading()
	defer k.notifyReady()
	for _, keyword := range s.Values.Changed(old.Values) {
		k.say(bad, "%s has changed: that counts from the next start on", keyword)
	}
	k.mu.Lock()
	k.setup = s
	k.mu.Unlock()
	k.speaker.configure(s.Loaded)
	if !k.o.Test || s.Values.IsSet("EVENT_LOG") {
		k.events.open(s.Server.EventLog)
	}
	k.mon.Reload(k.offer())
	k.mon.Notify(noticeReload)
	if watch := k.files; watch != nil {
		watch.follow(s.Files)
	}
	k.say(good, "configuration loaded again: %s", conf.Count(len(s.Access.Stanzas), "stanza"))
}

// equal reports the same files with the same content.
func (b *bundle) equal(other *bundle) bool {
	if len(b.Files) != len(other.Files) {
		return false
	}
	for name, f := range b.Files {
		g, ok := other.Files[name]
		if !ok || string(f.Data) != string(g.Data) || f.Info != g.Info || f.Err != g.Err {
			return false
		}
	}
	return true
}

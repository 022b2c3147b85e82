package parse

import "bytes"

// An object is a JSON object and the offsets of the values of known names in it.
type object struct {
	json   []byte
	values [slots]struct{ start, end, path int32 }

	path [maxPath]byte // of the member that is being read, its names joined by points
	n    int
}

// maxPath bounds the names looked at: all known names are shorter.
const maxPath = 64

func (o *object) isSet(n slot) bool { return o.values[n].end > 0 }

// raw returns the value in a slot as it is written, nil if there is none.
func (o *object) raw(n slot) []byte { return o.json[o.values[n].start:o.values[n].end] }

// read reads the object json. A known name that occurs twice makes it ambiguous, and read
// fails; two names for the same value do not.
func (o *object) read(json []byte) bool {
	o.json = json
	end := o.members(0, 0)
	return end != failed && jsonBlanks(json, end) == len(json)
}

// maxNested is how deep the objects nest in which names are looked for.
const maxNested = 3

// members reads the object at i and returns the index after it.
func (o *object) members(i, depth int) int {
	i = jsonBlanks(o.json, after(o.json, i, "{"))
	if j := after(o.json, i, "}"); j != failed {
		return j
	}
	outer := o.n
	for {
		name, value, end := member(o.json, i)
		if end == failed {
			return failed
		}
		path, ok := name, true
		if nested := o.json[value] == '{'; nested || depth > 0 {
			path, ok = o.pushName(name)
			if ok && nested && depth < maxNested && hasKnownNames(path) {
				end, ok = o.members(value, depth+1), false
			}
			o.n = outer
		}
		if ok && !o.set(path, value, end) {
			return failed
		}
		if end == failed {
			return failed
		}
		i = jsonBlanks(o.json, end)
		if j := after(o.json, i, ","); j != failed {
			i = jsonBlanks(o.json, j)
			continue
		}
		return after(o.json, i, "}")
	}
}

// member returns the name at i, where its value lies, and the index after it.
func member(b []byte, i int) (name []byte, value, end int) {
	name, i = jsonString(b, i)
	value = jsonBlanks(b, after(b, jsonBlanks(b, i), ":"))
	return name, value, jsonValue(b, value)
}

// pushName appends a name to the path, and returns that. It reports false if the path is
// longer than any known one.
func (o *object) pushName(name []byte) ([]byte, bool) {
	if o.n > 0 && o.n < maxPath {
		o.path[o.n] = '.'
		o.n++
	}
	if o.n+len(name) > maxPath {
		return nil, false
	}
	o.n += copy(o.path[o.n:], name)
	return o.path[:o.n], true
}

// set stores the value of a path, if it is a known one. It reports false if the path
// occurred before.
func (o *object) set(path []byte, start, end int) bool {
	length := int32(len(path))
	if bytes.IndexByte(path, '.') >= 0 {
		path = trimEnvelope(path)
	}
	n, known := slotOf[string(path)]
	if !known {
		return true
	}
	v := &o.values[n]
	switch {
	case v.end == 0:
		v.start, v.end, v.path = int32(start), int32(end), length
	case n != slotUlogd && v.path == length:
		return false
	}
	return true
}

// hasKnownNames reports whether the object at path is searched for known names.
func hasKnownNames(path []byte) bool {
	if len(trimEnvelope(path)) < len(path) {
		path = trimEnvelope(path)
	}
	switch string(path) {
	case "_source", "result", "jsonPayload", "fields", "record", "json", "Record",
		"event", "log", "log.syslog", "log.syslog.facility", "syslog", "syslog.facility",
		"process", "systemd", "input", "journald", "body", "Body":
		return true
	}
	return false
}

// trimEnvelope removes from a path the name of an object in which databases and cloud
// services wrap a record unchanged.
func trimEnvelope(path []byte) []byte {
	for _, envelope := range [...]string{"_source.", "result.", "jsonPayload.", "fields.", "record.", "json."} {
		if len(path) > len(envelope) && path[0] == envelope[0] && string(path[:len(envelope)]) == envelope {
			return path[len(envelope):]
		}
	}
	return path
}

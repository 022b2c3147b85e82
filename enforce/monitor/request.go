package monitor

import (
	"fmt"
	"os"
	"strings"

	"fwknopd/enforce"
)

// requests is the request table: everything a worker can cause. It can neither list nor
// close grants. A request that is not in the table violates the protocol.
//
// Each function decodes the body strictly and carries the request out or queues it. An
// error means that the request violates the protocol.
var requests = map[string]func(s *session, id uint64, body []byte) error{
	"apply":      (*session).apply,      // opens what the policy allows
	"applyAfter": (*session).applyAfter, // likewise, when digests are on disk
	"command":    (*session).command,    // runs what the stanza allows, in the way it configures
	"open":       (*session).openFile,   // passes a descriptor by its name in the policy
	"crypt":      (*session).crypt,      // yes or no
	"digests":    (*session).digests,    // appends to the journal
	"journal":    (*session).journal,    // passes a pipe from journalctl, if the policy allows it
	"resolve":    (*session).resolve,    // addresses of a host name, if the policy allows any
	"alive":      (*session).alive,      // answers a notice
	"ready":      (*session).ready,      // once
	"waiting":    (*session).waiting,    // lists what the worker waits for
}

// dispatch decodes a request and calls its entry of the request table.
func (s *session) dispatch(text []byte) error {
	var req request
	if err := decode(text, &req); err != nil {
		return err
	}
	f, ok := requests[req.Op]
	if !ok || req.ID == 0 {
		return fmt.Errorf("%w: request %.20q", errProtocol, req.Op)
	}
	return f(s, req.ID, req.Body)
}

func (s *session) apply(id uint64, body []byte) error {
	var g enforce.Grant
	if err := decode(body, &g); err != nil {
		return err
	}
	s.jobs <- job{grant: g, done: func(err error) { s.send(replyTo(id, err)) }}
	return nil
}

func (s *session) command(id uint64, body []byte) error {
	var c wireCommand
	if err := decode(body, &c); err != nil {
		return err
	}
	s.send(replyTo(id, s.m.command(Command{c.Stanza, c.From, string(c.Text), c.User, c.Src})))
	return nil
}

// wireCommand preserves every byte of the text of a [Command], which a JSON string does
// not.
type wireCommand struct {
	Stanza int    `json:"stanza"`
	From   string `json:"from,omitempty"`
	Text   []byte `json:"text"`
	User   string `json:"user,omitempty"`
	Src    string `json:"src,omitempty"`
}

func (s *session) openFile(id uint64, body []byte) error {
	var name string
	if err := decode(body, &name); err != nil {
		return err
	}
	open, ok := s.m.currentPolicy().Files[name]
	if !ok {
		s.send(replyTo(id, fmt.Errorf("%w: file %.200q: %w", ErrRefused, name, os.ErrNotExist)))
		return nil
	}
	return s.async(id, func() (reply, *os.File) {
		f, err := open()
		rep := replyTo(id, err)
		rep.File = err == nil
		return rep, f
	})
}

func (s *session) journal(id uint64, body []byte) error {
	var q Journal
	if err := decode(body, &q); err != nil {
		return err
	}
	if !isCursor(q.After) {
		return fmt.Errorf("%w: cursor %.80q", errProtocol, q.After)
	}
	start := s.m.currentPolicy().Journal
	if start == nil {
		s.send(replyTo(id, fmt.Errorf("%w: the journal", ErrRefused)))
		return nil
	}
	return s.async(id, func() (reply, *os.File) {
		f, err := start(q)
		rep := replyTo(id, err)
		rep.File = err == nil
		return rep, f
	})
}

// isCursor reports whether s has the form of a cursor of the systemd journal, or is empty.
func isCursor(s string) bool {
	return len(s) <= maxCursor && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=;_-") == ""
}

const (
	maxCursor    = 512 // bytes in a cursor of the journal
	maxHost      = 253 // bytes in a host name
	maxAddresses = 16  // in the reply to resolve
)

func (s *session) resolve(id uint64, body []byte) error {
	var host string
	if err := decode(body, &host); err != nil {
		return err
	}
	resolve := s.m.currentPolicy().Resolve
	if resolve == nil || len(host) > maxHost {
		s.send(replyTo(id, fmt.Errorf("%w: look-up of host %.80q", ErrRefused, host)))
		return nil
	}
	return s.async(id, func() (reply, *os.File) {
		found, err := resolve(host)
		rep := replyTo(id, err)
		rep.Addrs = found[:min(len(found), maxAddresses)]
		return rep, nil
	})
}

func (s *session) ready(id uint64, body []byte) error {
	switch {
	case len(body) > 0:
		return fmt.Errorf("%w: body where none belongs", errProtocol)
	case s.isReady:
		return fmt.Errorf("%w: ready twice", errProtocol)
	}
	s.isReady = true
	if s.hooks.ready != nil {
		s.hooks.ready()
	}
	s.send(reply{ID: id})
	return nil
}

// maxWaiting bounds the list of a waiting request.
const maxWaiting = 16

func (s *session) waiting(id uint64, body []byte) error {
	var list []string
	if err := decode(body, &list); err != nil {
		return err
	}
	if len(list) > maxWaiting {
		return fmt.Errorf("%w: waits for %d things", errProtocol, len(list))
	}
	if s.hooks.waiting != nil {
		s.hooks.waiting(list)
	}
	s.send(reply{ID: id})
	return nil
}

package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"fwknopd/enforce"
)

// role is who is at the other end of a connection.
type role uint8

const (
	worker role = 1 << iota
	administrator
)

// A row of the request table. What is not in the table, not for this role or asked
// a second time where once is enough, breaks the protocol.
type row struct {
	from role
	once bool
	// take decodes the body strictly and carries the request out, or has it
	// carried out and returns. An error breaks the protocol.
	take func(s *session, id uint64, body []byte) error
}

// requests is the request table: all that the unprivileged side can cause.
var requests = map[string]row{
	"apply":   {worker, false, (*session).apply},                  // opens what the offer allows
	"revoke":  {worker | administrator, false, (*session).revoke}, // closes
	"list":    {worker | administrator, false, (*session).list},   // tells what is open
	"flush":   {administrator, true, (*session).flush},            // closes everything
	"command": {worker, false, (*session).command},                // runs what the stanza allows, as the stanza says
	"open":    {worker, false, (*session).openFile},               // passes a descriptor by its name in the offer
	"crypt":   {worker, false, (*session).crypt},                  // yes or no
	"ready":   {worker, true, (*session).ready},
	"waiting": {worker, false, (*session).waiting}, // tells what it waits for
	"alive":   {worker | administrator, false, (*session).alive},
}

// take looks a request up and carries it out.
func (s *session) take(text []byte) error {
	var req request
	if err := decode(text, &req); err != nil {
		return err
	}
	r, ok := requests[req.Op]
	switch {
	case !ok || req.ID == 0:
		return fmt.Errorf("%w: request %.20q", ErrProtocol, req.Op)
	case r.from&s.role == 0:
		return fmt.Errorf("%w: %s is not for this side", ErrProtocol, req.Op)
	case r.once && s.seen[req.Op]:
		return fmt.Errorf("%w: %s twice", ErrProtocol, req.Op)
	}
	if r.once {
		s.seen[req.Op] = true
	}
	return r.take(s, req.ID, req.Body)
}

func (s *session) apply(id uint64, body []byte) error {
	var g enforce.Grant
	if err := decode(body, &g); err != nil {
		return err
	}
	s.jobs <- task{job: job{g, s.answer(id)}}
	return nil
}

func (s *session) revoke(id uint64, body []byte) error {
	var g enforce.Grant
	if err := decode(body, &g); err != nil {
		return err
	}
	answer := s.answer(id)
	s.jobs <- task{do: func(ctx context.Context) { s.m.revoke(ctx, g, answer) }}
	return nil
}

func (s *session) flush(id uint64, body []byte) error {
	s.jobs <- task{do: func(ctx context.Context) { s.send(answerTo(id, s.m.Flush(ctx))) }}
	return noBody(body)
}

func (s *session) list(id uint64, body []byte) error {
	s.jobs <- task{do: func(ctx context.Context) {
		open, err := s.m.List(ctx)
		for _, g := range open {
			text, err := json.Marshal(g)
			if err != nil || len(text) > maxFrame/2 {
				g.External, g.User = &enforce.External{}, ""
				text, _ = json.Marshal(g)
			}
			s.sendWait(reply{ID: id, More: true, Body: text})
		}
		s.sendWait(answerTo(id, err))
	}}
	return noBody(body)
}

func (s *session) command(id uint64, body []byte) error {
	var c wireCommand
	if err := decode(body, &c); err != nil {
		return err
	}
	s.send(answerTo(id, s.m.command(Command{c.Stanza, c.From, string(c.Text), c.User, c.Src})))
	return nil
}

// wireCommand keeps the text of a [Command] byte by byte: JSON strings do not.
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
	open, ok := s.m.offered().Files[name]
	if !ok {
		s.send(answerTo(id, fmt.Errorf("%w: file %.200q: %w", ErrRefused, name, os.ErrNotExist)))
		return nil
	}
	return s.aside(id, func() (reply, *os.File) {
		f, err := open()
		rep := answerTo(id, err)
		rep.File = err == nil
		return rep, f
	})
}

// password is the body of crypt.
type password struct {
	File     string `json:"file"`
	User     string `json:"user"`
	Password []byte `json:"password"`
}

func (s *session) crypt(id uint64, body []byte) error {
	var p password
	if err := decode(body, &p); err != nil {
		return err
	}
	check, ok := s.m.offered().Passwords[p.File]
	if !ok {
		s.send(answerTo(id, fmt.Errorf("%w: password file %.200q", ErrRefused, p.File)))
		return nil
	}
	return s.aside(id, func() (reply, *os.File) {
		fits, err := check(p.User, string(p.Password))
		rep := answerTo(id, err)
		if err == nil && fits {
			rep.Body = json.RawMessage("true")
		}
		return rep, nil
	})
}

func (s *session) ready(id uint64, body []byte) error {
	if s.hooks.ready != nil {
		s.hooks.ready()
	}
	return s.alive(id, body)
}

// maxWaiting bounds what a worker can wait for.
const maxWaiting = 16

func (s *session) waiting(id uint64, body []byte) error {
	var list []string
	if err := decode(body, &list); err != nil {
		return err
	}
	if len(list) > maxWaiting {
		return fmt.Errorf("%w: waits for %d things", ErrProtocol, len(list))
	}
	if s.hooks.waiting != nil {
		s.hooks.waiting(list)
	}
	return s.alive(id, nil)
}

func (s *session) alive(id uint64, body []byte) error {
	s.send(reply{ID: id})
	return noBody(body)
}

func noBody(body []byte) error {
	if len(body) > 0 {
		return fmt.Errorf("%w: body where none belongs", ErrProtocol)
	}
	return nil
}

// answerTo is the reply that carries err.
func answerTo(id uint64, err error) reply {
	if err == nil {
		return reply{ID: id}
	}
	return reply{ID: id, Err: clip(err), Refused: errors.Is(err, ErrRefused), Absent: errors.Is(err, os.ErrNotExist)}
}

package keyring

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// poll is how often a socket is looked at that is about to go.
const poll = 5 * time.Millisecond

// gpgconf is the program that knows where the agent listens; it comes with gpg.
func (p *program) gpgconf(ctx context.Context, args ...string) *exec.Cmd {
	path := filepath.Join(filepath.Dir(p.path), "gpgconf")
	if _, err := exec.LookPath(path); err != nil {
		path = "gpgconf"
	}
	return command(ctx, path, append([]string{"--homedir", p.home}, args...)...)
}

// agentSocket is the path of the agent's socket, "" if nobody can tell.
func (p *program) agentSocket(ctx context.Context) string {
	out, err := p.gpgconf(ctx, "--list-dirs", "agent-socket").Output()
	if err != nil {
		return ""
	}
	path, err := url.PathUnescape(strings.TrimSpace(string(out)))
	if err != nil {
		return ""
	}
	return path
}

// answers reports that somebody listens on a socket.
func answers(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// killAgent ends the agent that our own runs of gpg have started, and waits for its
// end: the next to look must not take it for somebody else's.
func (p *program) killAgent(ctx context.Context, socket string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), waitDelay)
	defer cancel()
	if p.gpgconf(ctx, "--kill", "gpg-agent").Run() != nil {
		return // nothing to be done about it
	}
	for ctx.Err() == nil && answers(socket) {
		time.Sleep(poll)
	}
}

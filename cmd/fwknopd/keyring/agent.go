package keyring

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fwknopd/enforce/command"
)

// agentPoll is how often killAgent tries the agent's socket.
const agentPoll = 5 * time.Millisecond

// agentGrace is how long the agent may take to exit.
const agentGrace = 2 * time.Second

// gpgconf runs gpgconf, which is installed with gpg and knows the agent's socket.
func (p *gpgProgram) gpgconf(ctx context.Context, args ...string) (string, error) {
	path := filepath.Join(filepath.Dir(p.path), "gpgconf")
	if _, err := exec.LookPath(path); err != nil {
		path = "gpgconf"
	}
	return command.Output(ctx, program(path, append([]string{"--homedir", p.home}, args...)...))
}

// agentSocket returns the path of the agent's socket, "" if it is unknown.
func (p *gpgProgram) agentSocket(ctx context.Context) string {
	out, err := p.gpgconf(ctx, "--list-dirs", "agent-socket")
	if err != nil {
		return ""
	}
	path, err := url.PathUnescape(strings.TrimSpace(out))
	if err != nil {
		return ""
	}
	return path
}

// isListening reports whether a process listens on a socket.
func isListening(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// killAgent stops the agent that our runs of gpg have started and waits until it has
// exited, so that the next load does not take it for the user's own agent.
func (p *gpgProgram) killAgent(ctx context.Context, socket string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), agentGrace)
	defer cancel()
	if _, err := p.gpgconf(ctx, "--kill", "gpg-agent"); err != nil {
		return // the agent stays
	}
	for ctx.Err() == nil && isListening(socket) {
		time.Sleep(agentPoll)
	}
}

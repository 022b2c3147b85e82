package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"fwknopd/cmd/fwknop/send"
)

// maxAnswer is enough for an address and a little white space.
const maxAnswer = 256

// resolveOwn asks the web server of --resolve-url for the address that this host has
// there. The request goes to that server over IPv4 or IPv6 as the packet does to its one.
func (c *client) resolveOwn(ctx context.Context) (string, error) {
	u, err := url.Parse(c.Client.ResolveURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", usage("--resolve-url %s: want https://HOST/PATH", c.Client.ResolveURL)
	case u.Scheme == "http" && !c.Client.ResolveHTTPOnly:
		return "", usage("--resolve-url %s: over http others on the way can name the address to let in; --resolve-http-only allows it", c.Client.ResolveURL)
	}
	to, err := send.Resolve(ctx, c.network(), c.Client.Destination)
	if err != nil {
		return "", err
	}
	network := "tcp6"
	if to.Is4() {
		network = "tcp4"
	}
	body, err := c.get(ctx, network, u.String())
	if err != nil {
		return "", fmt.Errorf("resolving the address of this host: %w", err)
	}
	a, err := netip.ParseAddr(strings.TrimSpace(body))
	if err != nil || a.Is4() != to.Is4() || a.Zone() != "" {
		return "", fmt.Errorf("%s did not answer with an address of this host: %.60q", u, body)
	}
	return a.String(), nil
}

// get returns the beginning of what is at the URL.
func (c *client) get(ctx context.Context, network, from string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, send.Timeout)
	defer cancel()
	web := http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != "https" && !c.Client.ResolveHTTPOnly {
				return errors.New("it redirects to http")
			}
			if len(via) >= 5 {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("User-Agent", c.Client.UserAgent)
	answer, err := web.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", from, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return string(body), err
}

// Package control holds the commands that act on a running daemon or on what it
// opened, from a second process: -K, -R, -S, --fw-list and its kin, grants, and the
// small jobs on keys and caches.
package control

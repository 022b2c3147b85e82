// Package unit holds what a system needs to run fwknopd as a service, and the
// script that makes a Debian package of it all. It has no code of its own but the
// tests of both.
package unit

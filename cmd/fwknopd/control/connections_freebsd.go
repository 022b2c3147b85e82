package control

import (
	"context"

	"fwknopd/enforce"
)

// cut does nothing: stanzas with CLOSE_CONNECTIONS are refused.
func cut(context.Context, enforce.Rejecter, []enforce.Grant, func() []enforce.Grant, enforce.Guard) (none enforce.Connections, err error) {
	return none, nil
}

// lookAt says that connections are not looked at: keep-state rules of ipfw keep them.
func lookAt(_ context.Context, _ enforce.Rejecter, _ []enforce.Grant, cut bool, _ enforce.Guard) *Connections {
	if !cut {
		return nil
	}
	return &Connections{Error: "connections are not looked up on freebsd, tcpdrop(8) ends them"}
}

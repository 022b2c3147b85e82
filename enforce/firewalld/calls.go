package firewalld

import (
	"context"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

func (b *bus) defaultZone(ctx context.Context) (name string, err error) {
	err = b.call(ctx, objectPath, &name, mainAPI+"getDefaultZone")
	return name, err
}

func (b *bus) zones(ctx context.Context) (names []string, err error) {
	err = b.call(ctx, objectPath, &names, zoneAPI+"getZones")
	return names, err
}

// activeZones returns the zones that an interface or a source is bound to, sorted by name.
func (b *bus) activeZones(ctx context.Context) (active []zone, err error) {
	var answer map[string]map[string][]string
	if err := b.call(ctx, objectPath, &answer, zoneAPI+"getActiveZones"); err != nil {
		return nil, err
	}
	for name, bound := range answer {
		active = append(active, zone{name, bound["interfaces"], bound["sources"]})
	}
	slices.SortFunc(active, func(x, y zone) int { return strings.Compare(x.name, y.name) })
	return active, nil
}

func (b *bus) richRules(ctx context.Context, zone string) (rules []string, err error) {
	err = b.call(ctx, objectPath, &rules, zoneAPI+"getRichRules", zone)
	return rules, err
}

func (b *bus) ipsetEntries(ctx context.Context, name string) (entries []string, err error) {
	err = b.call(ctx, objectPath, &entries, ipsetAPI+"getEntries", name)
	return entries, err
}

// addRule adds a rule, which firewalld removes after the seconds; 0 is never.
func (b *bus) addRule(ctx context.Context, zone, rule string, seconds int32) error {
	return b.change(ctx, ruleAdded, zone, rule, zoneAPI+"addRichRule", zone, rule, seconds)
}

// removeRule removes a rule; that it is not there is success.
func (b *bus) removeRule(ctx context.Context, zone, rule string) error {
	err := b.change(ctx, ruleRemoved, zone, rule, zoneAPI+"removeRichRule", zone, rule)
	if isAnswer(err) && strings.Contains(err.Error(), "NOT_ENABLED") {
		return nil
	}
	return err
}

// change makes a call that causes a signal. If it fails, the signal comes as one of another
// program: firewalld may do late what it was asked for.
func (b *bus) change(ctx context.Context, signal, zone, rule, method string, args ...any) error {
	b.expect(signal, zone, rule, 1)
	err := b.call(ctx, objectPath, nil, method, args...)
	if err != nil {
		b.expect(signal, zone, rule, -1)
	}
	return err
}

// permanentZones returns the zones whose permanent configuration has rules of ours.
func (b *bus) permanentZones(ctx context.Context) (names []string, err error) {
	var paths []dbus.ObjectPath
	if err := b.call(ctx, configPath, &paths, configAPI+"listZones"); err != nil {
		return nil, err
	}
	for _, path := range paths {
		var rules []string
		if err := b.call(ctx, path, &rules, configZone+"getRichRules"); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(rules, isOurs) {
			continue
		}
		var name dbus.Variant
		if err := b.call(ctx, path, &name, "org.freedesktop.DBus.Properties.Get", busName+".config.zone", "name"); err != nil {
			return nil, err
		}
		text, _ := name.Value().(string)
		names = append(names, text)
	}
	return names, nil
}

func isOurs(text string) bool {
	_, ok := parseRule(text)
	return ok
}

package nftables

import (
	"errors"
	"fmt"
	"strings"

	nft "github.com/google/nftables"
)

// A Role is what a chain of ours is for.
type Role uint8

const (
	Input   Role = iota // accepts to this host
	Output              // accepts from this host
	Forward             // accepts through this host
	DNAT                // rewrites destinations
	SNAT                // rewrites sources
	roles
)

// roleFacts say where a role's base chains are.
var roleFacts = [roles]struct {
	name     string
	kind     nft.ChainType
	hook     *nft.ChainHook
	priority *nft.ChainPriority // of a base chain of our own
}{
	Input:   {"input", nft.ChainTypeFilter, nft.ChainHookInput, nft.ChainPriorityFilter},
	Output:  {"output", nft.ChainTypeFilter, nft.ChainHookOutput, nft.ChainPriorityFilter},
	Forward: {"forward", nft.ChainTypeFilter, nft.ChainHookForward, nft.ChainPriorityFilter},
	DNAT:    {"dnat", nft.ChainTypeNAT, nft.ChainHookPrerouting, nft.ChainPriorityNATDest},
	SNAT:    {"snat", nft.ChainTypeNAT, nft.ChainHookPostrouting, nft.ChainPriorityNATSource},
}

// String is the role's part of our names: chain fwknop_input.
func (r Role) String() string { return roleFacts[r].name }

// chain is the name of our chain.
func (r Role) chain() string { return "fwknop_" + r.String() }

// A Place is a chain of the user's: NFT_INPUT_ACCESS and its kin.
type Place struct {
	Family nft.TableFamily // inet, ip or ip6
	Table  string
	Chain  string
}

// Errors of [ParsePlace], wrapped with what was found.
var (
	ErrPlaceFields = errors.New("want family, table, chain")
	ErrPlaceFamily = errors.New("family is not inet, ip or ip6")
	ErrPlaceName   = errors.New("not a name of nftables")
)

var families = map[string]nft.TableFamily{
	"inet": nft.TableFamilyINet,
	"ip":   nft.TableFamilyIPv4,
	"ip6":  nft.TableFamilyIPv6,
}

// maxName is NFT_NAME_MAXLEN less the end byte.
const maxName = 255

// ParsePlace reads "family, table, chain", as in "inet, filter, input".
func ParsePlace(value string) (Place, error) {
	f := strings.Split(value, ",")
	if len(f) != 3 {
		return Place{}, fmt.Errorf("%w, got %d fields", ErrPlaceFields, len(f))
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	family, ok := families[f[0]]
	if !ok {
		return Place{}, fmt.Errorf("%w: %q", ErrPlaceFamily, f[0])
	}
	for _, name := range f[1:] {
		if !isName(name) {
			return Place{}, fmt.Errorf("%w: %q", ErrPlaceName, name)
		}
	}
	return Place{family, f[1], f[2]}, nil
}

// isName follows the scanner of nft(8): a letter, then letters, digits, "/", "\",
// "_", "." and, as kernels take it, "-".
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || strings.IndexByte(`0123456789/\.-`, c) < 0) {
			return false
		}
	}
	return true
}

// String is "inet filter input".
func (p Place) String() string { return familyName(p.Family) + " " + p.Table + " " + p.Chain }

func familyName(f nft.TableFamily) string {
	for name, family := range families {
		if family == f {
			return name
		}
	}
	return fmt.Sprintf("family %d", f)
}

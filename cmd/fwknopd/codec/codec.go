// Package codec is the encoding of values that the processes of one gateway pass to each other: the
// fields of a struct in order, without names or types, since both ends know them. Numbers are
// varints, floats 8 bytes, strings and lists start with their length, arrays of bytes are as they
// are, a pointer begins with whether it is set; times and addresses have their own binary form. Each
// value has exactly one encoding.
package codec

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// maxNesting bounds the depth of a value. A decision has 5 levels.
const maxNesting = 8

var (
	errCut       = errors.New("cut short")
	errTrailing  = errors.New("longer than its value")
	errNested    = errors.New("nested too deeply")
	errCanonical = errors.New("not the encoding of its value")
)

// Encode appends the encoding of v to b.
func Encode(b []byte, v any) ([]byte, error) { return encode(b, reflect.ValueOf(v), 0) }

// Decode decodes all of b into v, a pointer to a zero value. It accepts only what Encode
// returns for the result.
func Decode(b []byte, v any) error {
	d := decoder{NewFields(b)}
	if err := d.decode(reflect.ValueOf(v).Elem(), 0); err != nil {
		return err
	}
	if !d.Whole() {
		return errTrailing
	}
	again, err := Encode(nil, reflect.ValueOf(v).Elem().Interface())
	if err != nil {
		return err
	}
	if !bytes.Equal(b, again) {
		return errCanonical
	}
	return nil
}

func encode(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > maxNesting {
		return b, errNested
	}
	if m, ok := v.Interface().(encoding.BinaryMarshaler); ok && v.Kind() == reflect.Struct {
		text, err := m.MarshalBinary()
		return appendString(b, string(text)), err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Struct, reflect.Array:
		return encodeCompound(b, v, depth)
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(b, v.Int()), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint()), nil
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float())), nil
	case reflect.String:
		return appendString(b, v.String()), nil
	}
	return b, fmt.Errorf("no encoding of %s", v.Type())
}

// encodeCompound encodes what has parts.
func encodeCompound(b []byte, v reflect.Value, depth int) (_ []byte, err error) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0), nil
		}
		return encode(append(b, 1), v.Elem(), depth+1)
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for i := 0; i < v.Len() && err == nil; i++ {
			b, err = encode(b, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := 0; i < v.NumField() && err == nil; i++ {
			b, err = encode(b, v.Field(i), depth+1)
		}
	case reflect.Array:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			return b, fmt.Errorf("no encoding of %s", v.Type())
		}
		for i := range v.Len() {
			b = append(b, byte(v.Index(i).Uint()))
		}
	}
	return b, err
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A decoder holds what has not been decoded yet.
type decoder struct{ Fields }

func (d *decoder) decode(v reflect.Value, depth int) error {
	if depth > maxNesting {
		return errNested
	}
	if m, ok := v.Addr().Interface().(encoding.BinaryUnmarshaler); ok {
		text, err := d.string()
		if err != nil {
			return err
		}
		return m.UnmarshalBinary(text)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Struct:
		return d.compound(v, depth)
	case reflect.Array:
		return d.array(v)
	case reflect.Int, reflect.Int64:
		v.SetInt(d.Signed())
		return d.missing()
	case reflect.Float64:
		b := d.Bytes(8)
		if err := d.missing(); err != nil {
			return err
		}
		v.SetFloat(math.Float64frombits(binary.BigEndian.Uint64(b)))
		return nil
	case reflect.String:
		text, err := d.string()
		v.SetString(string(text))
		return err
	}
	n, err := d.number()
	switch {
	case err != nil:
		return err
	case v.Kind() == reflect.Bool && n <= 1:
		v.SetBool(n == 1)
	case v.CanUint() && !v.OverflowUint(n):
		v.SetUint(n)
	default:
		return fmt.Errorf("%d is out of range for %s", n, v.Type())
	}
	return nil
}

// compound decodes what has parts.
func (d *decoder) compound(v reflect.Value, depth int) error {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if err := d.decode(v.Field(i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	n, err := d.number()
	if err != nil || n == 0 {
		return err
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(v.Elem(), depth+1)
	}
	if n > uint64(len(d.rest)) { // each element takes a byte or more
		return errCut
	}
	for range n {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := d.decode(e, depth+1); err != nil {
			return err
		}
		v.Set(reflect.Append(v, e))
	}
	return nil
}

// array decodes as many bytes as the array has.
func (d *decoder) array(v reflect.Value) error {
	if v.Type().Elem().Kind() != reflect.Uint8 {
		return errCut
	}
	reflect.Copy(v, reflect.ValueOf(d.Bytes(uint64(v.Len()))))
	return d.missing()
}

// number decodes an unsigned number.
func (d *decoder) number() (uint64, error) {
	n := d.Number(math.MaxUint64)
	return n, d.missing()
}

// string decodes a length and as many bytes.
func (d *decoder) string() ([]byte, error) {
	text := d.Text(math.MaxUint64)
	return text, d.missing()
}

// missing returns an error if something was.
func (d *decoder) missing() error {
	if d.Failed() {
		return errCut
	}
	return nil
}

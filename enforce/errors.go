package enforce

// Errors is the result of a [Batcher]: one error per grant, nil when all
// succeeded.
type Errors []error

// Set notes the outcome of grant i of n.
func (e *Errors) Set(i, n int, err error) {
	if err == nil {
		return
	}
	if *e == nil {
		*e = make(Errors, n)
	}
	(*e)[i] = err
}

// FirstError is the first error of a batch, nil if there is none.
func FirstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

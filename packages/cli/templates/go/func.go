package main

import (
	"context"
	"encoding/json"
	"io"
	"log"

	fdk "github.com/fnproject/fdk-go"
)

func main() {
	fdk.Handle(fdk.HandlerFunc(greet))
}

// greet runs once for each call: in is the body, out the answer.
func greet(ctx context.Context, in io.Reader, out io.Writer) {
	input := struct {
		Name string `json:"name"`
	}{Name: "world"}
	if err := json.NewDecoder(in).Decode(&input); err != nil && err != io.EOF {
		fdk.WriteStatus(out, 400)
		io.WriteString(out, "the body is not JSON")
		return
	}
	greeting := fdk.GetContext(ctx).Config()["GREETING"] // config of func.yaml and of the app
	if greeting == "" {
		greeting = "Hello"
	}
	log.Printf("greeting %s", input.Name) // fnfleet logs shows it
	fdk.SetHeader(out, "Content-Type", "application/json")
	json.NewEncoder(out).Encode(map[string]string{"message": greeting + ", " + input.Name + "!"})
}

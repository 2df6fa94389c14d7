package com.example;

public class Greeter {
    public static class Input {
        public String name = "world";
    }

    public static class Output {
        public final String message;

        Output(String message) {
            this.message = message;
        }
    }

    /** Runs once for each call. The body is JSON, and so is the answer. */
    public Output greet(Input input) {
        String name = input == null ? "world" : input.name;
        String greeting = System.getenv().getOrDefault("GREETING", "Hello"); // config of func.yaml and of the app
        System.err.println("greeting " + name); // fnfleet logs shows it
        return new Output(greeting + ", " + name + "!");
    }
}

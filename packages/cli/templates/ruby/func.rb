require 'fdk'

# Runs once for each call. `input` is the body, as a hash when it is JSON.
def greet(context:, input:)
  name = (input['name'] if input.is_a?(Hash)) || 'world'
  greeting = ENV.fetch('GREETING', 'Hello') # `config` of func.yaml and of the app
  FDK.log(entry: "greeting #{name}") # fnfleet logs shows it
  { message: "#{greeting}, #{name}!" }
end

FDK.handle(target: :greet)

// Decodes with an exported searcher: source ids in, reply ids out.
//
//   ./causerie searcher.pt 40 1421 5 2        one source, from the arguments
//   ./causerie searcher.pt 40 < sources.txt   one source a line
//
// 40 is the most tokens to write. A source ends with 2, which is <eos>.
#include <torch/script.h>

#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

using Ids = std::vector<int64_t>;

Ids search(torch::jit::Module& searcher, const Ids& source, int64_t max_length) {
  auto ids = torch::tensor(source, torch::kInt64).unsqueeze(0);           // (1, S)
  auto lengths = torch::full({1}, ids.size(1), torch::kInt64);            // (1,)
  auto result = searcher.forward({ids, lengths, max_length}).toTuple();   // tokens, scores, lengths
  auto tokens = result->elements()[0].toTensor()[0].contiguous();         // (T,)
  auto length = result->elements()[2].toTensor().item<int64_t>();
  return Ids(tokens.data_ptr<int64_t>(), tokens.data_ptr<int64_t>() + length);
}

void answer(torch::jit::Module& searcher, std::istream& words, int64_t max_length) {
  const Ids source{std::istream_iterator<int64_t>(words), {}};
  if (source.empty() || !words.eof()) throw std::invalid_argument("a source is not a list of ids");
  for (auto id : search(searcher, source, max_length)) std::cout << id << ' ';
  std::cout << std::endl;
}

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("usage: causerie searcher.pt MAX_LENGTH [ID...]");
  torch::InferenceMode no_gradients;
  auto searcher = torch::jit::load(argv[1]);
  searcher.to(torch::kFloat);  // the file is in half precision, in which CPUs are slow
  searcher.eval();
  int64_t max_length = 0;
  std::istringstream number(argv[2]);
  if (!(number >> max_length) || !number.eof() || max_length < 1)
    throw std::invalid_argument("MAX_LENGTH is not a whole number from 1 up");
  std::stringstream arguments;
  for (int i = 3; i < argc; ++i) arguments << argv[i] << ' ';
  if (argc > 3) answer(searcher, arguments, max_length);
  for (std::string line; argc == 3 && std::getline(std::cin, line);) {
    std::istringstream words(line);
    answer(searcher, words, max_length);
  }
} catch (const c10::Error& error) {
  std::cerr << "error: " << error.what_without_backtrace() << std::endl;
  return 1;
} catch (const std::exception& error) {
  std::string cause = error.what();  // TorchScript's is a trace, which ends in the cause
  cause.erase(cause.find_last_not_of('\n') + 1);
  std::cerr << "error: " << cause.substr(cause.rfind('\n') + 1) << std::endl;
  return 1;
}

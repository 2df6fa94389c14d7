// takes: 14 s
import './test-kit/suites/conditions.js';
import './test-kit/suites/hostile-operators.js';
